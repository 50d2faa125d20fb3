"""Lines that a script on a node printed, by their first word."""

from tasks.core.models.base import Model


class Printed(Model):
    """What `look` printed, as words after the first one of each line."""

    lines: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, stdout: bytes) -> "Printed":
        """Line by line."""
        lines = (line.partition(" ") for line in stdout.decode(errors="replace").splitlines())
        return cls(lines=tuple((kind, rest.strip()) for kind, _, rest in lines))

    def one(self, kind: str) -> str:
        """The last line of a kind; empty when there is none."""
        return next((rest for name, rest in reversed(self.lines) if name == kind), "")

    def all(self, kind: str) -> tuple[str, ...]:
        """Every line of a kind."""
        return tuple(rest for name, rest in self.lines if name == kind)

    def pairs(self, kind: str) -> tuple[tuple[str, str], ...]:
        """Every line of a kind, its first word apart."""
        return tuple((name, rest) for name, _, rest in (line.partition(" ") for line in self.all(kind)))
