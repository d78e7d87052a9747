"""Words that need no task: greetings, thanks, questions about the assistant; and "undo"."""

import re

from chat_api.agent.offline.grammar.words import phrases_of, tokens
from chat_api.agent.offline.intents import Intent, Talk, Undo

_LONGEST = 60
_TALK: dict[str, Talk] = {
    **dict.fromkeys(
        phrases_of(
            """
            hi | hello | hey | hiya | howdy | yo | good morning | good afternoon | good evening | good day |
            greetings | hi there | hello there | hey there | how are you | hello how are you | hi how are you |
            how are you doing | how are you today | whats up | morning | evening
            """
        ),
        Talk("hello"),
    ),
    **dict.fromkeys(
        phrases_of(
            """
            thanks | thank you | thx | ty | cheers | many thanks | thanks a lot | thank you very much | thank
            you so much | great thanks | ok thanks | perfect thanks | thanks so much | ta | much appreciated
            | thanks thats all | thank you thats all | thats all thanks | thats all
            """
        ),
        Talk("thanks"),
    ),
    **dict.fromkeys(
        phrases_of(
            """
            help | help me | what can you do | what can i do | what can i say | how does this work | how do you
            work | how do i use this | what do you do | commands | examples | what can i ask | what can i ask
            you | show help | how can you help | how can you help me | i need help | i need some help | can you help
            | can you help me
            """
        ),
        Talk("help"),
    ),
    **dict.fromkeys(
        phrases_of(
            """
            who are you | what are you | are you an ai | are you a bot | are you human | are you real | are you
            chatgpt | are you a robot | whats your name | what is your name | which model are you | what model
            are you | are you a person | introduce yourself
            """
        ),
        Talk("self"),
    ),
    **dict.fromkeys(
        phrases_of(
            """
            no | nope | never mind | nevermind | cancel | stop | forget it | forget about it | neither | none |
            none of them | nothing | no thanks | no thank you | leave it | none of those | nah | dont | neither
            of them | dont bother
            """
        ),
        Talk("dismiss"),
    ),
    **dict.fromkeys(
        phrases_of(
            """
            ok | okay | yes | yep | yeah | sure | great | cool | nice | perfect | good | fine | awesome |
            excellent | got it | alright | all right | well done | sounds good | bye | goodbye | see you | good
            night | wonderful
            """
        ),
        Talk("ok"),
    ),
}
_UNDO = phrases_of(
    """
        undo | undo that | undo it | undo this | undo the last one | revert that | take that back | revert |
        undo last
        """
)


_HOW = re.compile(r"how (?:do|can|could|would|should) (?:i|you) \w|how to \w")


def read_small_talk(text: str) -> Intent | None:
    """Return what a message means that is nothing but small talk, or None."""
    if len(text) > _LONGEST:
        return None
    said = " ".join(tokens(text))
    if _HOW.match(said):
        return Talk("help")
    return Undo() if said in _UNDO else _TALK.get(said)
