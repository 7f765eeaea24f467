"""The memory of a training step by kind, from a simulation of its traced graph. Free of Keras.

The simulation follows TensorFlow's executor. Each thread has a stack of ready operations and runs the last
one first; idle threads steal from the bottom of other stacks. A tensor lives from the start of the operation
that makes it to the end of the last one that takes it. It is overwritten where TensorFlow does so.

References: Zhu et al.: Benchmarking and Analyzing Deep Neural Network Training, 2018, section 3.4.3 (kinds).
"""

import heapq
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from wbc.memory.allocator import Allocator
from wbc.memory.graph import IN_PLACE, VIEWS, Node, Tensor

KINDS = ("weights", "gradients", "optimizer", "feature_maps", "workspace")
"""The kinds of memory; together they are the total."""

STEPS = 4
"""Number of simulated steps. What the first step leaves in memory changes where the next ones are placed."""


@dataclass(frozen=True)
class StepMemory:
    """Bytes at the peak of a training step."""

    weights: int
    """All weights in memory, trained or frozen."""
    gradients: int
    """Gradients of weights that the update has not consumed yet."""
    optimizer: int
    """State of the optimizer."""
    feature_maps: int
    """Tensors of the forward pass that a gradient still needs."""
    workspace: int
    """All else: temporary tensors, gradients of feature maps, intermediate results of the optimizer."""
    allocated: int
    """The peak that the allocator would report. It counts whole chunks, and leaves out tensors that are too
    small for it to count."""
    kept_feature_maps: int
    """All tensors of the forward pass that gradients need at any time."""

    @property
    def total(self) -> int:
        """All kinds together."""
        return self.weights + self.gradients + self.optimizer + self.feature_maps + self.workspace

    def figures(self) -> dict[str, int]:
        """The fields and `total`, for an observer."""
        return {**asdict(self), "total": self.total}


def step_memory(
    nodes: Sequence[Node],
    weights: Sequence[int],
    optimizer: Sequence[int],
    threads: int,
    least_counted: int = 0,
    steps: int = STEPS,
) -> StepMemory:
    """Simulate some training steps.

    Args:
        nodes: The step, from `wbc.memory.graph.read_graph`.
        weights: Bytes of each weight.
        optimizer: Bytes of each variable of the optimizer.
        threads: Operations that may run at the same time.
        least_counted: The allocator does not count requests below this many bytes.
        steps: Number of steps.
    """
    allocator = Allocator(least_counted)
    held = _Held(nodes, allocator, [*weights, *optimizer])
    followers = _followers(nodes)
    for _ in range(steps):
        allocator.peak = allocator.used
        held.begin_step()
        _run_step(nodes, followers, held, threads)
    at_peak = held.at_peak
    kept = {root for root, kind in held.kinds.items() if kind == "feature_maps"}
    return StepMemory(
        sum(weights),
        at_peak["gradients"],
        sum(optimizer),
        at_peak["feature_maps"],
        at_peak["workspace"],
        allocator.peak,
        sum(nodes[node].outputs[output] for node, output in kept),
    )


def _root(nodes: Sequence[Node], tensor: Tensor) -> Tensor:
    """The tensor that owns the memory of this one."""
    node = nodes[tensor[0]]
    while node.kind in VIEWS and node.inputs:
        tensor = node.inputs[0]
        node = nodes[tensor[0]]
    return tensor


def _kinds(nodes: Sequence[Node]) -> dict[Tensor, str]:
    """The kinds of tensors that one stage keeps for another; all others are workspace."""
    kinds: dict[Tensor, str] = {}
    for node in nodes:
        if node.stage == "forward" or node.kind in ("Shape", "ShapeN", "Size", "Rank"):
            continue
        for tensor in node.inputs:
            root = _root(nodes, tensor)
            source = nodes[root[0]]
            if not source.has_memory:
                continue
            if node.stage == "backward" and source.stage == "forward":
                kinds[root] = "feature_maps"
            elif node.stage == "update" and source.stage == "backward":
                kinds[root] = "gradients"
    return kinds


@dataclass
class _Buffer:
    """Memory of a tensor, and of the tensors that reuse it."""

    size: int
    kind: str
    users: int
    address: int | None


class _Held:
    """The contents of memory while steps run.

    Args:
        nodes: The step.
        allocator: Gives tensors their memory.
        variables: Bytes of all variables.
    """

    def __init__(self, nodes: Sequence[Node], allocator: Allocator, variables: Sequence[int]) -> None:
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
        """Addresses of the variables that the step reads, matched by their size."""
        places: defaultdict[int, list[int | None]] = defaultdict(list)
        for size in variables:
            places[size].append(self.allocator.take(size))
        found: dict[Tensor, int | None] = {}
        for node in self.nodes:
            if node.kind == "ReadVariableOp" and node.inputs[0] not in found and places[node.outputs[0]]:
                found[node.inputs[0]] = places[node.outputs[0]].pop(0)
        return found

    def begin_step(self) -> None:
        """Forget the step before; only the variables remain."""
        self._buffers.clear()

    def start(self, number: int) -> None:
        """An operation starts: its outputs get memory."""
        node = self.nodes[number]
        if not node.has_memory:
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
        """An operation ends: its inputs, and outputs that nobody takes, may be freed."""
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
        """A variable takes over the memory of its new value, and its old memory is freed with the value."""
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
                    buffer.kind, buffer.users = kind, 1 + users  # 1: this operation itself
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
    """For each node, the nodes that wait for it."""
    followers: list[list[int]] = [[] for _ in nodes]
    for number, node in enumerate(nodes):
        for source in _before(node):
            followers[source].append(number)
    return followers


def _before(node: Node) -> set[int]:
    return {source for source, _ in node.inputs} | set(node.after)


def _run_step(nodes: Sequence[Node], followers: list[list[int]], held: _Held, threads: int) -> None:
    """Run all operations of a step, each as soon as a thread is free."""
    missing = [len(_before(node)) for node in nodes]
    stacks: list[deque[int]] = [deque() for _ in range(threads)]
    at_once: list[deque[int]] = [deque() for _ in range(threads)]
    for place, ready in enumerate(number for number, count in enumerate(missing) if not count):
        stacks[place % threads].append(ready)
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
            if running[thread] is None and (taken := take(thread)) is not None:
                held.start(taken)
                running[thread] = taken
                heapq.heappush(ends, (now + nodes[taken].seconds, thread))
        if not ends:
            return
        now, thread = heapq.heappop(ends)
        done, running[thread] = running[thread], None
        assert done is not None
        held.end(done)
        slow: int | None = None
        for number in followers[done]:
            missing[number] -= 1
            if missing[number]:
                continue
            if nodes[number].is_quick:
                at_once[thread].append(number)
                continue
            if slow is not None:
                stacks[thread].appendleft(slow)
            slow = number
        if slow is not None:
            # The last one continues in this thread, unless the thread has other work.
            if at_once[thread]:
                stacks[thread].appendleft(slow)
            else:
                at_once[thread].append(slow)
