"""What clients were told while the runbooks ran, held against the servers: the promise, kept or broken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pgnb.checks import Checks
from pgnb.display import spell_seconds
from pgnb.journal import Journal
from pgnb.observe.acknowledged import Found, Writing


@dataclass(frozen=True)
class Word:
    """What one client was told, and how much of it is there on which server."""

    writing: Writing
    found: tuple[Found, ...]

    @property
    def summary(self) -> str:
        """A line for each figure."""
        gap = self.writing.longest
        told = f"{self.writing.acknowledged:,} rows acknowledged ({self.writing.name})"
        lines = [f"client  {told}"]
        lines += [f"found   {one.acknowledged - len(one.missing):,} on {one.server}" for one in self.found]
        lines.append(f"gap     {spell_seconds(gap.seconds if gap else None)}, the longest in its writes")
        lines.append(f"keys    {self.writing.duplicates or 'no'} duplicates met")
        return "\n".join(lines)


@dataclass(frozen=True)
class Promise:
    """Every client's word, and whether all of it is true."""

    words: tuple[Word, ...]
    checks: Checks

    @classmethod
    def of(
        cls, words: Sequence[Word], longest: float, journal: Journal, *, may_lose: bool = False
    ) -> Promise:
        """The promise that no row is missing and no gap was longer than `longest` seconds.

        `may_lose`: rows may be missing, and are told.
        """
        found = [replace(one.check, advice=may_lose) for word in words for one in word.found]
        checks = Checks.of("The promise", found, journal)
        for word in words:
            checks += word.writing.checks(journal, longest=longest)
        return cls(tuple(words), checks)

    @property
    def summary(self) -> str:
        """The promise, kept or broken, a line for each figure."""
        return "\n".join([*(word.summary for word in self.words), self._verdict])

    @property
    def _verdict(self) -> str:
        if self.checks.ok:
            lost = max((len(one.missing) for word in self.words for one in word.found), default=0)
            rows = f"{lost} acknowledged rows were lost" if lost else "no acknowledged row is missing"
            return f"promise kept: {rows}, and writing went on"
        broken = "; ".join(f"{c.name}: {c.found} (wanted {c.wanted})" for c in self.checks.failed)
        return f"PROMISE BROKEN: {broken}"
