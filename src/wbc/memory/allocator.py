"""A simulation of TensorFlow's allocator: best fit with coalescing. Free of Keras.

The allocator hands out the smallest free chunk that is large enough. It splits the chunk only if at least
half of it, or 128 MiB, would remain. A tensor may thus occupy up to twice the bytes that it asked for, and
the allocator reports those. The rules are those of TensorFlow's `BFCAllocator`.
"""

import bisect

ALIGNMENT = 256
"""Sizes of chunks are multiples of this many bytes."""

_SPLIT = 128 << 20
_FIRST_REGION = 2 << 20


class Allocator:
    """Chunks of memory; sizes and addresses in bytes.

    Args:
        least: Smaller requests go to another allocator, which counts nothing.
    """

    def __init__(self, least: int = 0) -> None:
        self.least = least
        self.used = 0
        """Bytes in use, in whole chunks."""
        self.peak = 0
        """The most bytes that were in use."""
        self._region, self._top = _FIRST_REGION, 0
        self._sizes: dict[int, int] = {}
        self._next: dict[int, int | None] = {}
        self._before: dict[int, int | None] = {}
        self._free: list[tuple[int, int]] = []  # (size, address), sorted
        self._idle: set[int] = set()

    def take(self, size: int) -> int | None:
        """The address of a new chunk; None for a request that is too small to be counted."""
        if size < max(1, self.least):
            return None
        size = -(-size // ALIGNMENT) * ALIGNMENT
        place = bisect.bisect_left(self._free, (size, -1))
        if place == len(self._free):
            self._grow(size)
            place = bisect.bisect_left(self._free, (size, -1))
        found, address = self._free.pop(place)
        self._idle.discard(address)
        if found >= 2 * size or found - size >= _SPLIT:
            self._split(address, size)
        self.used += self._sizes[address]
        self.peak = max(self.peak, self.used)
        return address

    def give_back(self, address: int | None) -> None:
        """Free a chunk and merge it with its free neighbors."""
        if address is None:
            return
        self.used -= self._sizes[address]
        after, before = self._next[address], self._before[address]
        if after in self._idle:
            self._merge(address, after)
        if before in self._idle:
            self._merge(before, address)
            address = before
        self._offer(address)

    def _grow(self, size: int) -> None:
        """Add a region. Regions double in size, so there are few."""
        doubled = self._region < size
        while self._region < size:
            self._region *= 2
        address, self._top = self._top, self._top + self._region
        self._sizes[address] = self._region
        self._next[address] = self._before[address] = None
        self._offer(address)
        if not doubled:
            self._region *= 2

    def _split(self, address: int, size: int) -> None:
        rest, after = address + size, self._next[address]
        self._sizes[rest], self._sizes[address] = self._sizes[address] - size, size
        self._next[address], self._before[rest], self._next[rest] = rest, address, after
        if after is not None:
            self._before[after] = rest
        self._offer(rest)

    def _merge(self, address: int, after: int) -> None:
        for chunk in (address, after):
            if chunk in self._idle:
                self._withdraw(chunk)
        self._sizes[address] += self._sizes.pop(after)
        beyond = self._next.pop(after)
        del self._before[after]
        self._next[address] = beyond
        if beyond is not None:
            self._before[beyond] = address

    def _offer(self, address: int) -> None:
        bisect.insort(self._free, (self._sizes[address], address))
        self._idle.add(address)

    def _withdraw(self, address: int) -> None:
        del self._free[bisect.bisect_left(self._free, (self._sizes[address], address))]
        self._idle.discard(address)
