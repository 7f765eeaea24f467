"""How much memory a training step takes, by kind: worked out from its traced graph. Free of Keras.

Steps are played through as TensorFlow's executor would run them: some threads, each with a stack of
operations that are ready, the last first, the others helping themselves from the bottom. A tensor lives from
the start of the operation that makes it to the end of the last one that takes it, and is written over where
TensorFlow does that. The kinds are those of Zhu et al.: Benchmarking and Analyzing Deep Neural Network
Training, 2018, section 3.4.3.
"""

import heapq
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass

from wbc.training.allocator import Allocator
from wbc.training.graph import IN_PLACE, VIEWS, Node, Tensor, has_memory, is_quick

KINDS = ("weights", "gradients", "optimizer", "feature_maps", "workspace")
STEPS = 4
"""So many steps are played: what the first leaves behind makes the allocator place the next ones
otherwise."""


@dataclass(frozen=True)
class StepMemory:
    """Bytes at the moment in which a training step holds the most.

    Attributes:
        weights: Every weight of what is in memory, trained or not.
        gradients: Those of weights that the update has not used up yet.
        optimizer: What the optimiser remembers.
        feature_maps: Tensors of the way forward that a gradient still needs.
        workspace: All else: what is on its way, gradients of feature maps, intermediate results of the
            optimiser.
        allocated: What the allocator would report as its peak: in pieces larger than what was asked for, and
            without tensors that are too small for it to count.
        kept_feature_maps: All tensors of the way forward that gradients need, whenever.
    """

    weights: int
    gradients: int
    optimizer: int
    feature_maps: int
    workspace: int
    allocated: int
    kept_feature_maps: int

    @property
    def total(self) -> int:
        """All kinds together."""
        return sum(getattr(self, kind) for kind in KINDS)

    def figures(self) -> dict[str, int]:
        """As an observer is told."""
        return {**vars(self), "total": self.total}


def step_memory(
    nodes: Sequence[Node],
    weights: Sequence[int],
    optimizer: Sequence[int],
    threads: int,
    least_counted: int = 0,
    steps: int = STEPS,
) -> StepMemory:
    """Play some training steps through.

    Args:
        nodes: The step, as `wbc.training.graph.read_graph` returns it.
        weights: Bytes of each weight.
        optimizer: Bytes of each variable of the optimiser.
        threads: Operations that may run at once.
        least_counted: Bytes below which the allocator counts nothing.
        steps: How many.
    """
    allocator = Allocator(least_counted)
    held = _Held(nodes, allocator, [*weights, *optimizer])
    followers = _followers(nodes)
    for _ in range(steps):
        allocator.most = allocator.used
        held.begin_step()
        _play(nodes, followers, held, threads)
    at_peak = held.at_peak
    kept = {root for root, kind in held.kinds.items() if kind == "feature_maps"}
    return StepMemory(
        sum(weights),
        at_peak["gradients"],
        sum(optimizer),
        at_peak["feature_maps"],
        at_peak["workspace"],
        allocator.most,
        sum(nodes[node].outputs[output] for node, output in kept),
    )


def _root(nodes: Sequence[Node], tensor: Tensor) -> Tensor:
    """The tensor whose memory this one is."""
    node = nodes[tensor[0]]
    while node.kind in VIEWS and node.inputs:
        tensor = node.inputs[0]
        node = nodes[tensor[0]]
    return tensor


def _kinds(nodes: Sequence[Node]) -> dict[Tensor, str]:
    """What one part of the step keeps for another; all else is workspace."""
    kinds: dict[Tensor, str] = {}
    for node in nodes:
        if node.part == "forward" or node.kind in ("Shape", "ShapeN", "Size", "Rank"):
            continue
        for tensor in node.inputs:
            root = _root(nodes, tensor)
            source = nodes[root[0]]
            if not has_memory(source):
                continue
            if node.part == "backward" and source.part == "forward":
                kinds[root] = "feature_maps"
            elif node.part == "update" and source.part == "backward":
                kinds[root] = "gradients"
    return kinds


@dataclass
class _Buffer:
    """Memory of a tensor, and of those that took it over."""

    size: int
    kind: str
    users: int
    address: int | None


class _Held:
    """What is in memory while steps run.

    Args:
        nodes: The step.
        allocator: Where tensors get their memory.
        variables: Bytes of all variables.
    """

    def __init__(self, nodes: Sequence[Node], allocator: Allocator, variables: Sequence[int]):
        self.nodes, self.allocator, self.kinds = nodes, allocator, _kinds(nodes)
        self.at_peak = dict.fromkeys(KINDS, 0)
        self._uses: defaultdict[Tensor, int] = defaultdict(int)
        for node in nodes:
            for tensor in node.inputs:
                self._uses[tensor] += 1
        self._addresses = self._place(variables)
        self._buffers: dict[Tensor, _Buffer] = {}
        self._now = dict.fromkeys(KINDS, 0)
        self._most = 0

    def _place(self, variables: Sequence[int]) -> dict[Tensor, int | None]:
        """Where the variables are that the step reads; they are recognised by their size."""
        places: defaultdict[int, list[int | None]] = defaultdict(list)
        for size in variables:
            places[size].append(self.allocator.take(size))
        found: dict[Tensor, int | None] = {}
        for node in self.nodes:
            if node.kind == "ReadVariableOp" and node.inputs[0] not in found and places[node.outputs[0]]:
                found[node.inputs[0]] = places[node.outputs[0]].pop(0)
        return found

    def begin_step(self) -> None:
        """Nothing but the variables is left of the step before."""
        self._buffers.clear()

    def start(self, number: int) -> None:
        """An operation begins: its outputs get memory."""
        node = self.nodes[number]
        if not has_memory(node):
            return
        if node.kind in VIEWS and node.inputs:
            if (buffer := self._buffers.get(node.inputs[0])) is not None:
                buffer.users += self._uses[number, 0]
                self._buffers[number, 0] = buffer
            return
        for output, size in enumerate(node.outputs):
            if size:
                self._make(node, (number, output), size)

    def end(self, number: int) -> None:
        """An operation is over: what it took, and what nobody wants, may go."""
        node = self.nodes[number]
        if node.kind == "AssignVariableOp":
            self._assign(*node.inputs[:2])
        for tensor in node.inputs:
            if (buffer := self._buffers.get(tensor)) is not None:
                buffer.users -= 1
                self._free(buffer)
        for output in range(len(node.outputs)):
            if (buffer := self._buffers.get((number, output))) is not None:
                self._free(buffer)

    def _assign(self, variable: Tensor, value: Tensor) -> None:
        """A variable takes a new value's memory over, and its old memory goes with the value."""
        new = self._buffers.get(value)
        if new is not None and new.users == 1 and variable in self._addresses:
            new.address, self._addresses[variable] = self._addresses[variable], new.address

    def _make(self, node: Node, tensor: Tensor, size: int) -> None:
        kind, users = self.kinds.get(tensor, "workspace"), self._uses[tensor]
        if tensor[1] == 0 and node.kind in IN_PLACE:
            for source in node.inputs:
                buffer = self._buffers.get(source)
                if buffer is not None and buffer.users == 1 and buffer.size == size:
                    self._now[buffer.kind] -= size
                    self._now[kind] += size
                    buffer.kind, buffer.users = kind, 1 + users  # 1: this very operation
                    self._buffers[tensor] = buffer
                    return
        self._buffers[tensor] = _Buffer(size, kind, users, self.allocator.take(size))
        self._now[kind] += size
        if (whole := sum(self._now.values())) > self._most:
            self._most, self.at_peak = whole, dict(self._now)

    def _free(self, buffer: _Buffer) -> None:
        if buffer.users <= 0 and buffer.size:
            self._now[buffer.kind] -= buffer.size
            self.allocator.give_back(buffer.address)
            buffer.size, buffer.address = 0, None


def _followers(nodes: Sequence[Node]) -> list[list[int]]:
    """The nodes that wait for each node."""
    followers: list[list[int]] = [[] for _ in nodes]
    for number, node in enumerate(nodes):
        for source in _before(node):
            followers[source].append(number)
    return followers


def _before(node: Node) -> set[int]:
    return {source for source, _ in node.inputs} | set(node.after)


def _play(nodes: Sequence[Node], followers: list[list[int]], held: _Held, threads: int) -> None:
    """Run all operations of a step, each as soon as a thread is free for it."""
    missing = [len(_before(node)) for node in nodes]
    stacks: list[deque[int]] = [deque() for _ in range(threads)]
    at_once: list[deque[int]] = [deque() for _ in range(threads)]
    for place, number in enumerate(number for number, count in enumerate(missing) if not count):
        stacks[place % threads].append(number)
    running: list[int | None] = [None] * threads
    ends: list[tuple[float, int]] = []
    now = 0.0

    def take(thread: int) -> int | None:
        for own in (at_once[thread], stacks[thread]):
            if own:
                return own.popleft()
        return next((stack.pop() for stack in stacks if stack), None)

    while True:
        for thread in range(threads):
            if running[thread] is None and (number := take(thread)) is not None:
                held.start(number)
                running[thread] = number
                heapq.heappush(ends, (now + nodes[number].seconds, thread))
        if not ends:
            return
        now, thread = heapq.heappop(ends)
        done, running[thread] = running[thread], None
        assert done is not None
        held.end(done)
        slow = None
        for number in followers[done]:
            missing[number] -= 1
            if missing[number]:
                continue
            if is_quick(nodes[number]):
                at_once[thread].append(number)
                continue
            if slow is not None:
                stacks[thread].appendleft(slow)
            slow = number
        if slow is not None:
            # The last goes on in this thread, unless that has something else to do.
            if at_once[thread]:
                stacks[thread].appendleft(slow)
            else:
                at_once[thread].append(slow)
