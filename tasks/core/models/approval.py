"""Records why an approval covers a field of a plan, of options or of a profile, or why it does not.

Each of these models lists all its fields. If a `COVERED` field changes between question and answer, the run
asks again. If a `LEFT_OUT` field changes, it does not. A test fails if a field is in neither list, so whoever
adds a field decides.
"""

Reasons = dict[str, str]
"""This type maps names of fields, separated by spaces, to the reason that they share."""

CHOICE = "somebody chose it, or its default: another value is another run"
WORK_ON_NODE = "it is done to this node"
MEMBER = "which member it is, and how it stands when it is stopped or defragmented"
FIGURES = "it grows with every write"
ACCESS = "it says how the worker gets in, never what is done; host keys and certificates are checked"
CAUTION = "a caution names what already fails, and is covered"
ADVICE = "advice that follows from the problem"
