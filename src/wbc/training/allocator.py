"""How TensorFlow's allocator lays out memory: best fit with coalescing. Free of Keras.

It hands out the smallest free piece that is large enough, and splits that only if half of it or more would
be left over (or 128 MiB): what a tensor holds may be twice what it asked for, and that is what the allocator
reports. The rules are those of TensorFlow's `BFCAllocator`.
"""

import bisect

ALIGNMENT = 256
_SPLIT = 128 << 20
_FIRST_REGION = 2 << 20


class Allocator:
    """Pieces of memory, in bytes.

    Args:
        least: Smaller requests are another allocator's, which counts nothing.
    """

    def __init__(self, least: int = 0):
        self.least = least
        self.used = self.most = 0
        self._region, self._top = _FIRST_REGION, 0
        self._sizes: dict[int, int] = {}
        self._next: dict[int, int | None] = {}
        self._before: dict[int, int | None] = {}
        self._free: list[tuple[int, int]] = []  # (size, address), sorted
        self._idle: set[int] = set()

    def take(self, size: int) -> int | None:
        """The address of a new piece; None where the request is too small to be counted."""
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
        self.most = max(self.most, self.used)
        return address

    def give_back(self, address: int | None) -> None:
        """Free a piece; it grows together with free neighbours."""
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
        """Regions double, so that there are few."""
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
        for piece in (address, after):
            if piece in self._idle:
                self._withdraw(piece)
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
