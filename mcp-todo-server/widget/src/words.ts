// What the todo server refuses, for the person at the list: it words refusals for models, with calls that would work.

const WORDS: [RegExp, string][] = [
  [/^(?:task_id|before) \d+ does not exist.*/s, "there is no such task any more."],
  [/^task \d+ is deleted.*/s, "it was deleted meanwhile. It can be restored under “Deleted”."],
  [/^expected_version is .*/s, "it was changed again since."],
  [/^cursor is not .*/s, "the list has changed meanwhile. Refresh it."],
  [/^tags must be .*at most (\d+) texts of 1 to (\d+) .*/s, "a task has at most $1 tags, of at most $2 characters each."],
  [/^\w+ must not hold control characters.*/s, "it holds control characters, which cannot be kept."],
  [/^due_at must be another time: (.*)/s, "$1. Choose another time."],
  [/^a task that repeats is due .*/s, "a task that repeats needs a date."],
  [/^recurrence ends before .*/s, "its repetition ends before that day."],
  [/^the access token lacks the scope tasks:write.*/s, "here the tasks can be read and not changed."],
  [/^the user was asked and did not agree.*/s, "you were asked and did not agree."],
  [/^the user was asked and did not answer.*/s, "you were asked and there was no answer in time."],
  [/^the client could not ask the user.*/s, "you could not be asked whether you agree."],
];

/** Return a refusal in words for people; one that is not known stays as it is. */
export function inWords(refusal: string): string {
  const [known, words] = WORDS.find(([pattern]) => pattern.test(refusal)) ?? [];
  return known && words ? refusal.replace(known, words) : refusal;
}
