"""Why a field of a plan, of options or of a profile is part of what an approval holds for, or is not.

Each of these models says it of each of its fields: `COVERED`, when it changes between question and answer, the run asks again;
`LEFT_OUT`, it does not. A test fails when a field is in neither, so whoever adds one decides there.
"""

Reasons = dict[str, str]
"""Names of fields, with spaces between, to the reason that they have in common."""

CHOICE = "somebody chose it, or its default: another value is another run"
WORK_ON_NODE = "it is done to this node"
MEMBER = "which member it is, and how it stands when it is stopped or defragmented"
FIGURES = "it grows with every write"
ACCESS = "it says how the worker gets in, never what is done; host keys and certificates are checked"
CAUTION = "a caution names what already fails, and is covered"
ADVICE = "advice that follows from the problem"
