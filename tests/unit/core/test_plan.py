"""Changes that are made of others, and steps of one statement."""

from pgnb.core.checks import Check, Checks
from pgnb.core.journal import Journal
from pgnb.core.plan import Change, Confirmation, Step


class Server:
    """A server that notes what it is asked to carry out."""

    name = "pg-0"

    def __init__(self) -> None:
        self.seen: list[tuple[object, str | None]] = []

    def execute(self, statement: object, params: object = None, *, database: str | None, what: str) -> object:
        self.seen.append((statement, database))
        return None


def _plan(name: str, journal: Journal, done: list[str], *, confirmed: bool = False) -> Change:
    def step(what: str) -> Step:
        return Step(name, what, lambda: str(done.append(f"{what} {name}")))

    return Change(
        name,
        journal,
        "",
        f"{name} made\n",
        [step("make")],
        note="The same note.",
        undo_text=f"remove {name}",
        confirmations=[Confirmation(f"allow_{name}", True, "It is dangerous.")] if confirmed else [],
        precheck=lambda: Checks.of(name, [Check(f"{name} is free", True, "free", "free", "")], journal),
        undo=lambda: Change(f"undo {name}", journal, f"{name} made\n", "", [step("remove")]),
    )


def test_a_combined_change_runs_in_order_and_is_undone_in_reverse():
    journal, done = Journal(), list[str]()
    empty = Change("c", journal, note="It exists.")
    combined = Change.combine("both", journal, [_plan("a", journal, done), empty, _plan("b", journal, done)])
    assert combined.after == "a made\nb made\n"
    assert combined.note == "The same note. It exists."
    assert combined.undo_text == "remove b; remove a"
    applied = combined.apply()
    assert applied.undo is not None
    applied.undo().apply()
    assert done == ["make a", "make b", "remove b", "remove a"]


def test_a_combined_change_asks_for_the_confirmations_and_the_prechecks_of_all():
    journal, done = Journal(), list[str]()
    plans = [_plan("a", journal, done, confirmed=True), _plan("b", journal, done)]
    combined = Change.combine("both", journal, plans)
    assert [one.parameter for one in combined.confirmations] == ["allow_a"]
    assert combined.precheck is not None
    assert [check.name for check in combined.precheck()] == ["a is free", "b is free"]


def test_nothing_combined_is_nothing_to_do():
    combined = Change.combine("both", Journal(), [], note="Nothing was named.")
    assert not combined
    assert combined.undo is None
    assert combined.note == "Nothing was named."


def test_a_step_of_one_statement_is_carried_out_in_its_database():
    server = Server()
    step = Step.sql(server, "drop the table", "DROP TABLE t", database="shop", result="dropped")
    assert (step.target, step.run()) == ("pg-0", "dropped")
    assert server.seen == [("DROP TABLE t", "shop")]
