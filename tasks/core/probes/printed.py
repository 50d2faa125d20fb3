"""Parses the lines that a script on a node printed, by their first word."""

from tasks.core.models.base import Model


class Printed(Model):
    """These are the lines that a script such as `look` printed, each split into its first word and the rest."""

    lines: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, stdout: bytes) -> "Printed":
        """Splits the output into its lines."""
        lines = (line.partition(" ") for line in stdout.decode(errors="replace").splitlines())
        return cls(lines=tuple((kind, rest.strip()) for kind, _, rest in lines))

    def one(self, kind: str) -> str:
        """Returns the last line of a kind; empty if there is none."""
        return next((rest for name, rest in reversed(self.lines) if name == kind), "")

    def all(self, kind: str) -> tuple[str, ...]:
        """Returns every line of a kind."""
        return tuple(rest for name, rest in self.lines if name == kind)

    def pairs(self, kind: str) -> tuple[tuple[str, str], ...]:
        """Returns every line of a kind, with its first word separate."""
        return tuple((name, rest) for name, _, rest in (line.partition(" ") for line in self.all(kind)))
