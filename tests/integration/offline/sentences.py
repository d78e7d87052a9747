"""What people say to the offline assistant, what is stored afterwards, and words that the answer has to hold.

To extend the table, add a row. `given` are tasks that exist before, numbered from 1: a title, or the fields of
`add_task` with, beside them, the `status` that the task is put in. `said` is one message or several turns. `then` maps
numbers to what is stored of a task afterwards: a title, or the fields to compare. Tasks of `given` that `then` does not
name have to be as they were, and no others may exist. `answer` are words of the last answer, in any case.
The clock stands at Monday 23 November 2026, 10:00 in Berlin.
"""

from dataclasses import dataclass, field
from typing import Any

Fields = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One conversation."""

    said: str | tuple[str, ...]
    given: tuple[str | Fields, ...] = ()
    then: dict[int, str | Fields] = field(default_factory=dict)
    answer: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    """Words that the answer must not hold."""

    @property
    def turns(self) -> tuple[str, ...]:
        """The messages."""
        return (self.said,) if isinstance(self.said, str) else self.said


DONE = {"status": "completed"}
GONE = {"status": "deleted"}
OPEN = {"status": "open"}
THREE = ("Buy milk", "Call the dentist", "Pay rent")
TWO_MILKS = ("Buy milk", "Warm the milk", "Pay rent")
PAINTS = ("Buy red paint", "Buy blue paint", "Call Bob")
MIXED: tuple[str | Fields, ...] = (
    {"title": "Buy milk", "status": "completed"},
    {"title": "Call Bob", "status": "deleted"},
    "Pay rent",
)
DATED: tuple[str | Fields, ...] = (
    {"title": "Water plants", "due": "2026-11-20"},
    {"title": "Call Bob", "due": "2026-11-23"},
    {"title": "Pay rent", "due": "2026-11-27", "priority": "high", "tags": ["home"]},
    {"title": "Book flight", "due": "2026-12-10", "tags": ["trip"]},
    "Learn chess",
)
NOT_UNDERSTOOD = ("offline assistant", "add buy milk")

ADD = (
    Row("add buy milk", then={1: "buy milk"}, answer=("#1 buy milk",)),
    Row("Please add buy milk to my list", then={1: "buy milk"}),
    Row("add milk, eggs and bread", then={1: "milk", 2: "eggs", 3: "bread"}, answer=("3 tasks",)),
    Row("add milk, eggs and bread tomorrow", then={n: {"due": "2026-11-24"} for n in (1, 2, 3)}),
    Row("add macaroni and cheese", then={1: "macaroni and cheese"}),
    Row("add 'salt, pepper and oil'", then={1: "salt, pepper and oil"}),
    Row('add "buy milk" and "call Bob"', then={1: "buy milk", 2: "call Bob"}),
    Row("add buy milk, eggs and bread", then={1: "buy milk, eggs and bread"}),
    Row(
        "buy milk and call Bob on Friday",
        then={1: {"title": "buy milk", "due": None}, 2: {"title": "call Bob", "due": "2026-11-27"}},
    ),
    Row("remind me to call mum tomorrow at 5pm", then={1: {"title": "call mum", "due_at": "2026-11-24T17:00+01:00"}}),
    Row("Remind me at noon to eat", then={1: {"title": "eat", "due_at": "2026-11-23T12:00+01:00"}}),
    Row("remind me tomorrow to prepare for friday", then={1: {"title": "prepare for friday", "due": "2026-11-24"}}),
    Row("don't forget to water the plants", then={1: "water the plants"}),
    Row("don’t forget mum's birthday on 3 December", then={1: {"title": "mum's birthday", "due": "2026-12-03"}}),
    Row("I need to renew my passport in 3 days", then={1: {"title": "renew my passport", "due": "2026-11-26"}}),
    Row("add pay rent next friday", then={1: {"title": "pay rent", "due": "2026-12-04"}}),
    Row("add wrap presents on 24 December", then={1: {"title": "wrap presents", "due": "2026-12-24"}}),
    Row("add send the report by end of month", then={1: {"title": "send the report", "due": "2026-11-30"}}),
    Row("add gym at 7", then={1: {"title": "gym", "due_at": "2026-11-24T07:00+01:00"}}),
    Row("add dinner tonight at 8", then={1: {"title": "dinner", "due_at": "2026-11-23T20:00+01:00"}}),
    Row("add clean the garage this weekend", then={1: {"title": "clean the garage", "due": "2026-11-28"}}),
    Row("add check the oven in 20 minutes", then={1: {"title": "check the oven", "due_at": "2026-11-23T10:20+01:00"}}),
    Row(
        "add file taxes with high priority #home",
        then={1: {"title": "file taxes", "priority": "high", "tags": ["home"]}},
    ),
    Row("add urgent: call the plumber", then={1: {"title": "call the plumber", "priority": "urgent"}}),
    Row(
        "new task: sharpen knives, low priority, tagged kitchen",
        then={1: {"title": "sharpen knives", "priority": "low", "tags": ["kitchen"]}},
    ),
    Row("schedule dentist for 2026-12-01 at 9:15", then={1: {"title": "dentist", "due_at": "2026-12-01T09:15+01:00"}}),
    Row("put milk on my shopping list", then={1: "milk"}),
    Row("todo: fix the bike", then={1: "fix the bike"}),
    Row("add these tasks:\n- wash the car\n- walk the dog", then={1: "wash the car", 2: "walk the dog"}),
    Row(
        "Can you add dentist for 3rd December at 10am?",
        then={1: {"title": "dentist", "due_at": "2026-12-03T10:00+01:00"}},
    ),
    Row(
        "add meet Sam on Tuesday from 3pm to 4pm",
        then={1: {"title": "meet Sam", "due_at": "2026-11-24T15:00+01:00"}},
    ),
    Row("set a reminder to call Bob for friday", then={1: {"title": "call Bob", "due": "2026-11-27"}}),
    Row(
        'add "walk the dog" tomorrow at 7:30am and "wash car" on Saturday',
        then={
            1: {"title": "walk the dog", "due_at": "2026-11-24T07:30+01:00"},
            2: {"title": "wash car", "due": "2026-11-28"},
        },
    ),
    Row("Hi! Please add milk", then={1: "milk"}),
    Row(
        'add "Renew, then file" due 2026-12-15 with priority urgent and tags car, money',
        then={1: {"title": "Renew, then file", "due": "2026-12-15", "priority": "urgent", "tags": ["car", "money"]}},
    ),
    Row("Remind me on Friday at 9 to send it", then={1: {"title": "send it", "due_at": "2026-11-27T09:00+01:00"}}),
    Row(("add", "milk"), then={1: "milk"}, answer=("added",)),
    Row("add a task", answer=("what should i add",)),
)
TITLES = (
    Row("add May report", then={1: {"title": "May report", "due": None}}),
    Row("add march in the parade", then={1: {"title": "march in the parade", "due": None}}),
    Row("add buy second monitor", then={1: {"title": "buy second monitor", "due": None}}),
    Row("add call 555-1234", then={1: {"title": "call 555-1234", "due": None, "due_at": None}}),
    Row("add read 1984", then={1: {"title": "read 1984", "due": None}}),
    Row("add complete the form", then={1: {"title": "complete the form", "status": "open"}}),
    Row("add delete all tasks", given=THREE, then={4: "delete all tasks"}),
    Row("add rename 3 to x", given=THREE, then={4: "rename 3 to x"}),
    Row("add make sure the cake is done", then={1: {"title": "make sure the cake is done", "status": "open"}}),
    Row("add write the café's menu 🍰", then={1: "write the café's menu 🍰"}),
    Row("add watch Black Friday deals", then={1: {"title": "watch Black Friday deals", "due": None}}),
    Row("add pay today's bill", then={1: {"title": "pay today's bill", "due": None}}),
    Row("add water the plants every Monday", then={1: {"title": "water the plants every Monday", "due": None}}),
    Row("add check 3 mar bars", then={1: {"title": "check 3 mar bars", "due": None}}),
    Row("add read John 3:16", then={1: {"title": "read John 3:16", "due_at": None}}),
    Row("add <b>bold</b> move", then={1: "<b>bold</b> move"}),
    Row("add שלום עולם", then={1: "שלום עולם"}),
)
LISTS = (
    Row("list", given=THREE, answer=("#1 Buy milk", "#2 Call the dentist", "#3 Pay rent")),
    Row("what's left today?", given=DATED, answer=("#1", "#2"), never=("#3", "#5")),
    Row("what's left today?", given=("Learn chess",), answer=("#1 Learn chess",)),
    Row("what do I have to do?", given=THREE, answer=("#1", "#2", "#3")),
    Row("show completed", given=MIXED, answer=("#1 Buy milk",), never=("#2", "#3")),
    Row("what did I delete", given=MIXED, answer=("#2 Call Bob",), never=("#1", "#3")),
    Row("show all tasks", given=MIXED, answer=("#1 Buy milk (completed)", "#3"), never=("#2",)),
    Row("anything overdue?", given=DATED, answer=("#1 Water plants",), never=("#2",)),
    Row("anything overdue?", given=THREE, answer=("no overdue",)),
    Row("show tasks for next week", given=DATED, answer=("no open tasks due",)),
    Row("find dentist", given=THREE, answer=("#2 Call the dentist",), never=("#1",)),
    Row("find milk", given=MIXED, answer=("#1 Buy milk (completed)",)),
    Row("do I have anything about taxes?", given=THREE, answer=("no open tasks",)),
    Row("high priority tasks", given=DATED, answer=("#3 Pay rent",), never=("#1",)),
    Row("show tasks tagged home", given=DATED, answer=("#3",), never=("#4",)),
    Row("show #trip", given=DATED, answer=("#4",), never=("#3",)),
    Row("what's due this week?", given=DATED, answer=("#2", "#3"), never=("#4", "#1")),
    Row("what's due on Friday?", given=DATED, answer=("#3",), never=("#2",)),
    Row("tasks due before 10 December", given=DATED, answer=("#3",), never=("#4",)),
    Row("how many tasks do I have?", given=THREE, answer=("3 open tasks",)),
    Row("show my list", answer=("no open tasks",)),
    Row("list tasks by priority", given=DATED, answer=("tasks:\n- #3 Pay rent",)),
    Row("when is the rent due?", given=DATED, answer=("#3 Pay rent (due Fri 27 Nov",), never=("#1",)),
    Row("what did I complete today?", given=MIXED, answer=("#1 Buy milk",)),
    Row("what did I complete yesterday?", given=MIXED, answer=("no completed tasks",)),
    Row("show 2", given=THREE, answer=("#2 Call the dentist",)),
    Row("show task 9", given=THREE, answer=("no task #9",)),
    Row(
        "list",
        given=tuple(f"Task number {n}" for n in range(1, 53)),
        answer=("#50 ", "there are more"),
        never=("#51",),
    ),
)
STATUS = (
    Row("complete 2", given=THREE, then={2: DONE}, answer=("completed #2 Call the dentist",)),
    Row("mark 1 and 3 as done", given=THREE, then={1: DONE, 3: DONE}),
    Row("complete 1-3", given=THREE, then={1: DONE, 2: DONE, 3: DONE}),
    Row("tick off tasks 1, 2 and 3", given=THREE, then={1: DONE, 2: DONE, 3: DONE}),
    Row("I've paid rent", given=THREE, answer=NOT_UNDERSTOOD),
    Row("I finished the dentist task", given=THREE, then={2: DONE}),
    Row("milk is done", given=THREE, then={1: DONE}),
    Row("complete the rent and the dentist", given=THREE, then={2: DONE, 3: DONE}),
    Row("complete salt and pepper", given=("Buy salt and pepper", "Pepper spray"), then={1: DONE}),
    Row("done with call the dentist", given=THREE, then={2: DONE}),
    Row("complete everything", given=THREE, then={1: DONE, 2: DONE, 3: DONE}),
    Row("complete all overdue tasks", given=DATED, then={1: DONE}),
    Row("complete 7", given=THREE, answer=("no task #7",)),
    Row("complete 2 and 7", given=THREE, then={2: DONE}, answer=("completed #2", "no task #7")),
    Row("complete the holiday", given=THREE, answer=("no task", "holiday")),
    Row("complete milk", given=MIXED, answer=("already completed",)),
    Row("complete 2", given=MIXED, answer=("deleted",)),
    Row("reopen 1", given=MIXED, then={1: OPEN}, answer=("reopened",)),
    Row("mark the milk as not done", given=MIXED, then={1: OPEN}),
    Row("delete 2", given=THREE, then={2: GONE}, answer=("deleted #2",)),
    Row("remove the milk from my list", given=THREE, then={1: GONE}),
    Row("please delete the rent task, thanks", given=THREE, then={3: GONE}),
    Row("delete all completed", given=(*MIXED, {"title": "Old", "status": "completed"}), then={1: GONE, 4: GONE}),
    Row("delete all tasks", given=THREE, then={1: GONE, 2: GONE, 3: GONE}),
    Row("restore 2", given=MIXED, then={2: OPEN}, answer=("restored",)),
    Row("bring back the Bob one", given=MIXED, then={2: OPEN}),
    Row("complete 1 and delete 2", given=THREE, then={1: DONE, 2: GONE}, answer=("completed #1", "deleted #2")),
    Row("complete 1 and add bread", given=THREE, then={1: DONE, 4: "bread"}),
    Row(("delete 2", "undo"), given=THREE, answer=("restored #2",)),
    Row(("complete 1 and 2", "undo"), given=THREE, answer=("reopened 2 tasks",)),
    Row(("reopen 1", "undo"), given=MIXED, answer=("completed #1",)),
    Row(("restore 2", "undo"), given=MIXED, answer=("deleted #2",)),
    Row(("rename 1 to x", "undo"), given=THREE, then={1: "x"}, answer=("can't take back",)),
    Row(("add bread", "undo"), then={1: {"title": "bread", "status": "deleted"}}),
    Row("complete task", given=THREE, answer=("which task",)),
    Row(("complete", "2"), given=THREE, then={2: DONE}),
    Row("undo", given=THREE, answer=("nothing",)),
)
CHANGES = (
    Row("rename 3 to Pay the rent", given=THREE, then={3: "Pay the rent"}),
    Row("rename buy milk to buy oat milk and bread", given=THREE, then={1: "buy oat milk and bread"}),
    Row("change 1 to buy oat milk", given=THREE, then={1: "buy oat milk"}),
    Row("change the title of 2 to 'Call Dr May'", given=THREE, then={2: "Call Dr May"}),
    Row("move 2 to tomorrow at 5pm", given=THREE, then={2: {"due_at": "2026-11-24T17:00+01:00"}}),
    Row("postpone the dentist until next friday", given=THREE, then={2: {"due": "2026-12-04"}}),
    Row("reschedule pay rent to 1 December", given=DATED, then={3: {"due": "2026-12-01"}}),
    Row("push 3 back by a week", given=DATED, then={3: {"due": "2026-12-04"}}),
    Row("push 5 back by a week", given=DATED, answer=("no date",)),
    Row("set the due date of 1 to friday", given=THREE, then={1: {"due": "2026-11-27"}}),
    Row("2 is due on 1 December", given=THREE, then={2: {"due": "2026-12-01"}}),
    Row("move 3 to 4pm", given=DATED, then={3: {"due": None, "due_at": "2026-11-27T16:00+01:00"}}),
    Row(
        "push the dinner to Sunday",
        given=({"title": "Dinner", "due_at": "2026-11-28T19:00:00+01:00"},),
        then={1: {"due_at": "2026-11-29T19:00+01:00", "due": None}},
    ),
    Row(("snooze 2", "friday"), given=THREE, then={2: {"due": "2026-11-27"}}),
    Row("clear the due date of 3", given=DATED, then={3: {"due": None}}),
    Row("set priority of 2 to high", given=THREE, then={2: {"priority": "high"}}),
    Row("make the rent urgent", given=THREE, then={3: {"priority": "urgent"}}),
    Row("mark 3 as low priority", given=DATED, then={3: {"priority": "low"}}),
    Row("tag 3 with garden and work", given=DATED, then={3: {"tags": ["home", "garden", "work"]}}),
    Row("add #shop to the milk task", given=THREE, then={1: {"tags": ["shop"]}}),
    Row("remove the tag home from 3", given=DATED, then={3: {"tags": []}}),
    Row("remove #nothing from 3", given=DATED, answer=("no such tag",)),
    Row("add a note to 1: two litres", given=THREE, then={1: {"description": "two litres"}}),
    Row("rename 9 to x", given=THREE, answer=("no task #9",)),
)
REFERENCES = (
    Row(("add buy milk", "make it urgent"), then={1: {"priority": "urgent"}}),
    Row(("add buy milk", "rename it to buy bread", "complete that task"), then={1: {"title": "buy bread", **DONE}}),
    Row(("list", "complete the second one"), given=THREE, then={2: DONE}),
    Row(("list", "delete the first and the last"), given=THREE, then={1: GONE, 3: GONE}),
    Row(("list", "complete them"), given=THREE, then={1: DONE, 2: DONE, 3: DONE}),
    Row(("find dentist", "thanks", "complete it"), given=THREE, then={2: DONE}),
    Row(("list", "complete it"), given=THREE, answer=("which one", "#1", "#3")),
    Row(("list", "complete the fifth one"), given=THREE, answer=("only 3",)),
    Row("complete it", given=THREE, answer=("not sure which",)),
    Row(("show high priority tasks", "move it to monday"), given=DATED, then={3: {"due": "2026-11-30"}}),
    Row("complete milk", given=TWO_MILKS, answer=("which one", "#1 Buy milk", "#2 Warm the milk")),
    Row("complete buy milk", given=("Buy milk", "Buy milk and bread"), then={1: DONE}),
    Row(("complete milk", "the second one"), given=TWO_MILKS, then={2: DONE}),
    Row(("delete paint", "the blue one"), given=PAINTS, then={2: GONE}),
    Row(("delete paint", "1"), given=PAINTS, then={1: GONE}),
    Row(("complete paint", "2"), given=(*THREE, "Buy red paint", "Buy blue paint"), then={5: DONE}),
    Row(("delete paint", "#3"), given=PAINTS, answer=("which one",)),
    Row(("delete paint", "both"), given=PAINTS, then={1: GONE, 2: GONE}),
    Row(("complete paint", "all of them"), given=PAINTS, then={1: DONE, 2: DONE}),
    Row(("delete paint", "never mind"), given=PAINTS, answer=("left everything",)),
    Row(("delete paint", "complete Bob"), given=PAINTS, then={3: DONE}),
    Row(("move paint to friday", "the red one"), given=PAINTS, then={1: {"due": "2026-11-27"}}),
    Row(("complete paint and Bob", "the first one"), given=PAINTS, then={1: DONE, 3: DONE}),
)
NEGATIVES = (
    Row("hello", answer=("offline assistant",)),
    Row("thanks!", answer=("welcome",)),
    Row("what can you do?", answer=("offline assistant", "add buy milk")),
    Row("are you an AI?", answer=("offline assistant",)),
    Row("what's the weather today?", given=THREE, answer=NOT_UNDERSTOOD),
    Row("what is the capital of France?", given=THREE, answer=NOT_UNDERSTOOD),
    Row("Write me a poem", given=THREE, answer=NOT_UNDERSTOOD),
    Row("Ajoute du lait", answer=NOT_UNDERSTOOD),
    Row("買牛奶", answer=NOT_UNDERSTOOD),
    Row("???", answer=NOT_UNDERSTOOD),
    Row("(((((" * 500, answer=NOT_UNDERSTOOD),
    Row("I'm sad", given=THREE, answer=NOT_UNDERSTOOD),
    Row("add " + "x" * 7000, answer=("didn't work", "title")),
    Row("list", given=("delete all tasks", "Buy milk"), answer=("#1 delete all tasks", "#2")),
    Row(("list", "complete the first one"), given=("delete all tasks", "Buy milk"), then={1: DONE}),
    Row("complete delete all tasks", given=("delete all tasks", "Buy milk"), then={1: DONE}),
)

ROWS = (*ADD, *TITLES, *LISTS, *STATUS, *CHANGES, *REFERENCES, *NEGATIVES)
