/* In: nothing. Out: what the simulated provider can say. Add to any list freely: nothing counts on
 * a list's length or order. */
#include "provider/sim/sim_grammar.h"

#include <string.h>

#define LIST(id, ...) static const char *const id##_items[] = {__VA_ARGS__};
#define ENTRY(id)                                                                                  \
    {                                                                                              \
        .name = #id, .items = id##_items, .n = sizeof(id##_items) / sizeof(char *)                 \
    }

/* Who. Singular, plural. */
LIST(who, "a beginner", "a careful amateur", "someone with ten years behind them",
     "a patient teacher", "my neighbour", "a friend of mine", "a retired engineer", "a busy parent",
     "a student on a budget", "the person who taught me", "a colleague", "a quiet expert",
     "one of our viewers", "a woman I met last spring", "a man who runs a small workshop",
     "a night nurse", "a first-year apprentice", "someone who had given up twice")
LIST(people, "most beginners", "careful teachers", "people who do this for a living",
     "busy families", "old hands", "the impatient ones", "many viewers", "good coaches",
     "people in a hurry", "self-taught people", "small teams", "cautious people",
     "plenty of clever people", "those who stay with it", "newcomers", "nearly all of us",
     "seasoned hands")
/* When, where. */
LIST(time, "an afternoon", "two weekends", "the first month", "a single evening",
     "about three weeks", "half an hour", "one honest season", "ten quiet minutes",
     "a rainy Sunday", "the better part of a year", "a lunch break", "four or five tries",
     "a fortnight", "one long train ride")
LIST(place, "at a kitchen table", "in a small workshop", "on paper", "in a crowded classroom",
     "in a shared flat", "at the end of a long day", "in front of other people", "in real life",
     "in a well-lit room", "outside the textbooks", "under mild pressure", "in an ordinary week",
     "with cheap equipment", "with no help at all", "far from any expert")
/* Things to talk about. Singular, plural. */
LIST(thing, "the first attempt", "a short checklist", "the basic routine", "the plan on paper",
     "a clear goal", "the order of the steps", "a simple record", "the boring preparation",
     "an early mistake", "the second try", "a steady pace", "the smallest useful version",
     "a good question", "the starting point", "a calm look at the facts", "a written rule",
     "the moment of doubt", "the last ten per cent", "an outside opinion", "a deliberate pause",
     "the quality of the material", "the feeling of progress", "an honest estimate")
LIST(things, "small habits", "clear notes", "ordinary tools", "good examples", "short sessions",
     "honest numbers", "repeated checks", "early warnings", "loose ends", "quiet days",
     "simple rules", "plain questions", "old assumptions", "tiny corrections", "slow improvements",
     "first impressions", "second opinions", "modest goals", "clean beginnings")
LIST(adj, "plain", "reliable", "calm", "practical", "forgiving", "useful", "honest", "repeatable",
     "modest", "surprisingly cheap", "easy to check", "hard to fake", "robust", "gentle",
     "worth keeping", "simple to explain", "pleasantly dull")
LIST(num, "two", "three", "four", "five", "six", "seven", "a dozen", "twenty")
/* Actions: base form, -ing form, and slips. */
LIST(act, "write down what happened", "change one thing at a time", "start with the smallest case",
     "ask what success would look like", "put a date on the next step", "leave room for error",
     "compare today with last week", "say the rule out loud", "finish one round before judging it",
     "keep the first version", "throw away the part that never worked",
     "set a timer and stop when it rings", "explain it to somebody who does not care",
     "look at the result before the method", "repeat the easy part until it is boring",
     "sleep on the decision", "count instead of guessing", "draw the whole thing on one page",
     "begin where the doubt is largest", "borrow before you buy", "keep a list of open questions",
     "test the weakest point first", "mark the point of no return")
LIST(doing, "keeping notes", "slowing down", "measuring twice", "starting small", "asking early",
     "working in the right order", "saying no to extras", "resting between rounds",
     "practising the dull parts", "cleaning up first", "watching somebody better",
     "checking the result", "naming the problem", "cutting the plan in half",
     "doing it again the next day", "reading the instructions", "leaving things out",
     "looking for the cause")
LIST(slip, "skip the check at the start", "change two things at once",
     "buy equipment before they need it",
     "compare their first week with another person's tenth year", "stop just before it gets easier",
     "trust their memory instead of a note", "rush the part that decides everything",
     "copy the result and ignore the method", "ask for advice from whoever is loudest",
     "treat an exception as the rule", "measure what is easy and not what matters",
     "plan for the best day of the year", "wait for a perfect moment", "fix the symptom twice",
     "mistake speed for skill", "add a step where one should go", "forget why they began")
/* Clauses: how it is, what follows, why. */
LIST(fact, "the order of the steps matters more than their speed",
     "the dull part decides the outcome", "the first result says little about the tenth",
     "small errors add up in one direction",
     "two people can follow the same plan and end in different places",
     "the cheapest change is the one made early", "attention runs out long before time does",
     "progress comes in steps and not in a line",
     "a rule is only as good as the day it was tested on", "the hard part moves as you improve",
     "nobody notices the preparation, only its absence",
     "most of the effort sits in the first third", "a good start forgives a clumsy finish",
     "the limits are softer than they look", "what works on a good day must also work on a bad one",
     "the numbers are kinder than the memory", "every shortcut has a price, and some are worth it",
     "the difference between good and very good is mostly patience",
     "the obvious explanation is right about half of the time",
     "one weak link hides behind three strong ones")
LIST(effect, "the results become predictable", "the whole thing feels lighter",
     "mistakes show up early", "the next decision almost makes itself",
     "you stop arguing with yourself", "there is time left for the interesting part",
     "other people can help you", "the cost drops by about a third", "you can tell luck from skill",
     "the routine carries you", "nothing has to be done twice",
     "the second round takes half as long", "you know what to ask next", "a bad day does less harm",
     "the quality stops swinging up and down", "you notice trouble while it is still small",
     "the rest falls into place", "even a long break is not a disaster",
     "the work can be handed over without a speech")
LIST(cause, "it makes the problem visible", "it separates what you know from what you hope",
     "it takes the pressure out of the first move", "nobody can hold the whole picture in mind",
     "feedback arrives while it can still be used", "it keeps the number of surprises low",
     "habits need a fixed place to live", "the alternative is guessing",
     "it costs almost nothing to try", "the body learns slower than the head",
     "a written plan cannot flatter you", "early corrections are cheap and late ones are not",
     "it turns a vague worry into a task", "we remember the ending and forget the middle",
     "it leaves a trail that you can follow back", "a pause shows you what the rush was hiding",
     "practice without feedback only makes errors faster")
LIST(subject, "{topic}", "this subject", "the whole matter", "this work", "the craft behind it",
     "this part", "this question", "the practice")

/* Sentences. */
LIST(open, "Let us begin with the point itself: {title}.",
     "Now to {title}, and why it earns a place here.", "The next stop is {title}.",
     "{title} sounds simple, and in one sense it is.",
     "When people ask about {topic}, sooner or later they ask about this: {title}.",
     "Here is the part that I would keep if I could keep only one: {title}.",
     "Some of you have been waiting for this one: {title}.",
     "Think of {title} as a hinge; a lot turns on it.",
     "It took me {time} to see the point of this: {title}.",
     "Before we go on, a word on {title}, because {fact}.",
     "If one thing here deserves a second look, it is this: {title}.",
     "We come to {title}, which {people} meet earlier than they expect.",
     "The heading on my notes says it plainly: {title}.",
     "Take a breath, because {title} rewards a slow look.",
     "There is an easy way into {title}, and we shall take it.",
     "Next on the list stands {title}, and it is there for a reason.")
LIST(claim, "In {subject}, {fact}.", "{thing} is {adj}, and that is exactly its strength.",
     "What {people} learn first is that {fact}.", "The short version is this: {fact}.",
     "Good results here rest on {things} and on {thing}.",
     "Behind almost every success in {subject} you find {things}.",
     "{things} look unimpressive, but they are {adj}.", "It helps to know that {fact}.",
     "Nothing about {subject} demands talent; it demands {things}.",
     "There are {num} ways to approach this, and the {adj} one starts with {doing}.",
     "Anyone can begin with {thing} and add {things} later.",
     "A fair summary of {subject} would be that {fact}.",
     "For most of us, {doing} is where it starts.",
     "You will hear that {fact}, and that is true as far as it goes.",
     "{doing} is not glamorous, yet it is {adj}.", "At the centre of {subject} stands {thing}.",
     "One rule holds {place} as well as anywhere: {fact}.",
     "Ask {people} and they will tell you that {fact}.",
     "The best thing about {doing} is that it stays {adj} {place}.",
     "Much of what looks like instinct is really {doing}.")
LIST(reason, "That works because {cause}.", "The reason is simple: {cause}.",
     "Once {thing} is settled, {effect}.", "Do that for {time}, and {effect}.",
     "It matters because {cause}, and because {fact}.", "With {things} in place, {effect}.",
     "This is less about discipline than it seems, since {cause}.",
     "After {time} of {doing}, {effect}.", "The gain is not dramatic, but {effect}.",
     "If {effect}, you have done enough for one day.", "Because {cause}, {effect}.",
     "You can test it yourself: give it {time} and see whether {effect}.",
     "Part of the answer is that {cause}; the rest is {doing}.",
     "And when {effect}, the next step is rarely hard to find.",
     "The benefit arrives late, and then all at once: {effect}.",
     "None of this is magic; it helps because {cause}.",
     "In other words, {doing} pays, for {cause}.", "That is how {effect}, even {place}.",
     "Remove {thing} and you will see why it was there, because {cause}.")
LIST(instance, "Take {who} who tried this {place}: after {time}, the change was plain to see.",
     "I once watched {who} {act}, and it settled the question.",
     "{who} told me that {time} of {doing} did more than any book.",
     "Picture {who}, {place}, with {thing} and nothing else.",
     "Last year {who} kept a record for {time} and found that {fact}.",
     "A small story: {who} decided to {act}, mostly out of stubbornness, and was right.",
     "When {who} asked me for advice, I said only this: {act}.",
     "In one case {who} needed {num} tries, and the last one took {time}.",
     "Compare {who} with {people}: the difference was {thing}.",
     "{who} wrote to say that {doing} felt silly at first and indispensable later.",
     "We tried it ourselves {place}, {num} times, and wrote down every result.",
     "You may know somebody like that: {who}, always busy with {things}.",
     "For {who}, the turning point was {thing}.",
     "Imagine that you have {time} and that you are {place}.",
     "There was {who} who did the opposite, and even that taught us something about {subject}.",
     "I still remember how {who} put it: {fact}.")
LIST(turn, "Still, {people} {slip}.", "The usual trap is easy to describe: people {slip}.",
     "None of that helps those who {slip}.", "On the other hand, {fact}.",
     "Here, as so often, {people} {slip}.", "The opposite is also worth saying: {fact}.",
     "Of course there are limits, and {thing} is one of them.",
     "And yet {people} {slip}, often without noticing.",
     "Where does it go wrong? Usually where people {slip}.",
     "You might object that {fact}, and you would have a point.",
     "What about {things}? They matter too, only later.",
     "That said, {doing} alone will not carry you.",
     "Under stress {people} {slip}, and I know the feeling.",
     "The cost of getting it wrong is {time}, not a catastrophe.",
     "If that sounds strict, remember that {cause}.",
     "Do not expect {thing} to survive first contact with {things}.",
     "Half of the trouble starts when people {slip}; the other half is bad luck.",
     "It is no surprise that people {slip}, above all {place}.")
LIST(advice, "So {act}, and only then move on.", "My suggestion for this week: {act}.",
     "If you do one thing after this, {act}.", "First {act}; after that, {act}.",
     "Try to {act}, even if {thing} feels like enough.",
     "Better to {act} than to wait for {thing}.", "When in doubt, {act}.",
     "Give yourself {time}, {act}, and see what changes.",
     "You do not have to believe me; just {act} {num} times.", "A {adj} first step is to {act}.",
     "Make it a habit to {act} before you touch anything else.",
     "Keep {things} where you can see them, and {act}.", "Whatever happens, {act}.",
     "The fix is {adj}: {act}.", "Set aside {time} and {act}.",
     "Tell {who} what you plan, then {act}.", "Where {people} {slip}, you can {act} instead.",
     "It is enough to {act}; {effect}.")
LIST(brief, "That is all.", "Try it once.", "It really helps.", "Keep that in mind.",
     "Small steps count here.", "We will come back to it.", "That much is certain.",
     "Give it some time.", "Nothing more is needed today.", "You will see it quickly.",
     "It gets easier with practice.", "That is worth a short note.",
     "Start there, and start small.", "The rest can wait until tomorrow.",
     "Patience does most of the work.", "A little care goes far.", "Do it again next week.",
     "Most people get there in time.", "Trust the process, and check it too.", "Write it down.",
     "So far, so good.", "It pays to look twice.")
LIST(intro, "Today we talk about {topic}, from the first question to the last detail.",
     "By the end you will know what matters in {topic} and what you can safely leave out.",
     "Nothing here needs special equipment, only {time} and some curiosity.",
     "We shall go step by step, with examples from {people} and a few warnings.",
     "If you are new to {topic}, you are in the right place; if not, stay for the exceptions.",
     "I have made most of the mistakes in {topic} myself, so that you do not have to.",
     "We start with the ground rules and finish with something that you can do tonight.")
LIST(ending, "Let us gather the threads of {topic} before we part.",
     "If you remember one sentence, let it be this: {fact}.",
     "You now have {thing}, {things} and a good reason to begin.",
     "Start with {doing}, give it {time}, and look back then.",
     "Thank you for staying with {topic} to the end; the rest is practice.",
     "What we covered will not do the work for you, but it shows where the work is.",
     "The next time {topic} comes up, you will know which question to ask first.",
     "Everything else grows from there, one ordinary day after another.")
LIST(visual, "close-up of hands at work, {place}",
     "a simple line chart that rises and then levels off",
     "split screen: {thing} on the left, the result on the right", "wide shot, {who} {place}",
     "the words \"{title}\" fade in over a plain background",
     "{num} objects laid out in a row, seen from above",
     "a page of handwritten notes, slowly panning down",
     "time-lapse of {time}, compressed into five seconds",
     "animated checklist, {num} items, ticked one by one",
     "the presenter at a table, talking to the camera",
     "before and after, side by side, same light", "a clock on the wall, hands moving fast",
     "{who}, smiling, holding up the result", "slow zoom on the detail that matters",
     "simple diagram: {num} boxes joined by arrows", "archive footage of {people}, black and white")
LIST(finish, "which is a good place to stop and look back.", "and that is easier than it sounds.",
     "and with that the first half of the work is done.", "because {cause}.", "so that {effect}.",
     "which is how {effect}.", "and it holds {place} too.", "and {people} agree on that.",
     "at least once you have tried it for {time}.")
LIST(describe, "A clear and practical look at {topic}, with examples that you can follow at home.",
     "In this video we go through {topic} step by step: what to do, what to avoid, and how to tell "
     "the difference.",
     "You will see why {fact}, how {people} go about it, and what to try first.",
     "No special equipment is needed, only {time} and some patience.",
     "Chapters are marked below, so that you can jump to the part you need.",
     "Tell us in the comments how your own first attempt went, and which question we should answer "
     "next.")
LIST(keypoint, "{doing} before anything else", "why {fact}", "how {effect}", "{thing} and {things}",
     "the case for {doing}", "what to do when people {slip}", "one example {place}", "{act}",
     "where {things} help")

const struct grammar_list grammar_lists[] = {
    ENTRY(who),      ENTRY(people), ENTRY(time),     ENTRY(place),    ENTRY(thing), ENTRY(things),
    ENTRY(adj),      ENTRY(num),    ENTRY(act),      ENTRY(doing),    ENTRY(slip),  ENTRY(fact),
    ENTRY(effect),   ENTRY(cause),  ENTRY(subject),  ENTRY(open),     ENTRY(claim), ENTRY(reason),
    ENTRY(instance), ENTRY(turn),   ENTRY(advice),   ENTRY(brief),    ENTRY(intro), ENTRY(ending),
    ENTRY(visual),   ENTRY(finish), ENTRY(describe), ENTRY(keypoint),
};
const size_t grammar_n_lists = sizeof(grammar_lists) / sizeof(grammar_lists[0]);
_Static_assert(sizeof(grammar_lists) / sizeof(grammar_lists[0]) <= GRAMMAR_LISTS_MAX,
               "words.c keeps a deck per list");

/* Any head goes with any tail. */
LIST(head, "A closer look at ", "What people miss about ", "Getting better at ",
     "The quiet side of ", "Common trouble with ", "How to think about ", "The real cost of ",
     "The reward of ", "A fresh start with ", "Myths about ", "A small experiment with ",
     "The limits of ", "Three questions about ", "What experience says about ",
     "The short history of ", "Making peace with ", "A better order for ", "First signs of ",
     "The other half of ", "A beginner's view of ")
LIST(tail, "the first attempt", "the daily routine", "measuring progress", "ordinary tools",
     "slow days", "asking for help", "starting over", "small mistakes", "working alone",
     "the second month", "keeping notes", "taking breaks", "good habits", "bad advice",
     "doing less", "choosing a goal", "hidden costs", "early success", "the basics",
     "long projects", "borrowed ideas", "teaching others", "the final check", "changing plans",
     "good feedback", "limited time", "old habits")
const struct grammar_list grammar_heading_heads = ENTRY(head);
const struct grammar_list grammar_heading_tails = ENTRY(tail);

const struct grammar_list *grammar_find(const char *name, size_t n)
{
    for (size_t i = 0; i < grammar_n_lists; i++) {
        const struct grammar_list *list = &grammar_lists[i];
        if (strlen(list->name) == n && memcmp(list->name, name, n) == 0)
            return list;
    }
    return NULL;
}

const struct grammar_list *grammar_role(enum words_role role)
{
    static const char *const names[WORDS_ROLE_MAX] = {
        [WORDS_OPEN] = "open",      [WORDS_CLAIM] = "claim",   [WORDS_REASON] = "reason",
        [WORDS_CASE] = "instance",  [WORDS_TURN] = "turn",     [WORDS_ADVICE] = "advice",
        [WORDS_SHORT] = "brief",    [WORDS_INTRO] = "intro",   [WORDS_ENDING] = "ending",
        [WORDS_VISUAL] = "visual",  [WORDS_FINISH] = "finish", [WORDS_DESCRIBE] = "describe",
        [WORDS_POINT] = "keypoint",
    };
    return grammar_find(names[role], strlen(names[role]));
}
