/* In: nothing. Out: the request's members, one row each: what they are called, under which other
 * names and in which shapes forms have written them. shape.h explains the columns; docs/request.md
 * tells the same to users. */
#include "job/params_shapes.h"

#define SHORT_MAX   (16 << 10) /* a topic, a title, a name */
#define SOURCE_MAX  (8 << 20)  /* a source's text; research is cut to its budget later */
#define SECONDS_MAX 1000000    /* the real limit is the configuration's */

const char params_inside[] = "generationParams|params";

static const char *const types[] = {"full|fullscript|script", "outline|outlineonly", NULL};
static const char *const platforms[] = {"youtube|yt|youtubevideo|youtubelongform|longform",
                                        "shorts|short|youtubeshorts|youtubeshort|ytshorts",
                                        "tiktok|tiktokvideo",
                                        "ad|ads|advert|advertisement|commercial",
                                        "explainer|explainervideo",
                                        "course|onlinecourse|lesson",
                                        NULL};
static const char *const modes[] = {"live", "batch", NULL};
static const char *const exports[] = {"md|markdown", "txt|text|plaintext", "teleprompter", "json",
                                      "srt",         "vtt|webvtt",         "fountain",     NULL};

static const struct shape audience[] = {
    {.to = "summary", .kind = SHAPE_TEXT, .from = "text|description|targetAudience|audience|name"},
    {.to = "demographics", .kind = SHAPE_TEXT, .from = "demographic"},
    {.to = "interests", .kind = SHAPE_TEXT, .from = "interest"},
    {.to = "knowledgeLevel", .kind = SHAPE_TEXT, .from = "expertiseLevel|level"},
    {.to = "painPoints", .kind = SHAPE_LINES, .from = "pains|problems"},
    {.to = "goals", .kind = SHAPE_LINES, .from = "desires"},
    {.to = NULL},
};

static const struct shape voice[] = {
    {.to = "summary", .kind = SHAPE_TEXT, .from = "text|description"},
    {.to = "pace", .kind = SHAPE_TEXT, .from = "pacing"},
    {.to = "energy", .kind = SHAPE_TEXT, .from = "energyLevel"},
    {.to = "tone", .kind = SHAPE_TEXT},
    {.to = "style", .kind = SHAPE_TEXT, .from = "speakingStyle"},
    {.to = "personality", .kind = SHAPE_TEXT},
    {.to = "vocabulary", .kind = SHAPE_TEXT},
    {.to = "humor", .kind = SHAPE_TEXT, .from = "humour"},
    {.to = "hooks", .kind = SHAPE_LINES},
    {.to = "dos", .kind = SHAPE_LINES, .from = "do"},
    {.to = "donts", .kind = SHAPE_LINES, .from = "dont"},
    {.to = "signaturePhrases", .kind = SHAPE_LINES, .from = "catchphrases"},
    {.to = NULL},
};

static const struct shape frame[] = {
    {.to = "problem", .kind = SHAPE_TEXT, .from = "problemStatement"},
    {.to = "solution", .kind = SHAPE_TEXT, .from = "solutionApproach"},
    {.to = "transformation", .kind = SHAPE_TEXT, .from = "transformationOutcome|outcome"},
    {.to = "text", .kind = SHAPE_TEXT, .from = "frame|structure|narrative|description|summary"},
    {.to = NULL},
};

static const struct shape point[] = {
    {.to = "title", .kind = SHAPE_TEXT, .from = "name|heading|point|text|description|content"},
    {.to = "description", .kind = SHAPE_TEXT, .from = "content|details|summary"},
    {.to = "duration",
     .kind = SHAPE_SECONDS,
     .from = "durationSeconds",
     .min = 1,
     .max = SECONDS_MAX},
    {.to = "keyTakeaway", .kind = SHAPE_TEXT, .from = "takeaway"},
    {.to = NULL},
};

static const struct shape source[] = {
    {.to = "title", .kind = SHAPE_TEXT, .from = "sourceTitle|name", .max = SHORT_MAX},
    {.to = "url", .kind = SHAPE_TEXT, .from = "sourceUrl|link", .max = SHORT_MAX},
    {.to = "content",
     .kind = SHAPE_TEXT,
     .from = "sourceContent|text|snippet|excerpt|summary",
     .max = SOURCE_MAX},
    {.to = "verified", .kind = SHAPE_ANY, .from = "isVerified|factCheckStatus=verified"},
    {.to = "starred", .kind = SHAPE_ANY, .from = "isStarred"},
    {.to = NULL},
};

static const struct shape research[] = {
    {.to = "summary",
     .kind = SHAPE_TEXT,
     .from = "researchSummary|overview|text|research",
     .max = SOURCE_MAX},
    {.to = "sources",
     .kind = SHAPE_LIST,
     .from = "researchSources|results",
     .inside = "items|data",
     .members = source,
     .text_to = "content",
     .needs = "title|url|content"},
    {.to = "insights", .kind = SHAPE_LINES, .from = "keyInsights|findings|keyFindings"},
    {.to = NULL},
};

static const struct shape sponsor[] = {
    {.to = "name", .kind = SHAPE_PROSE, .from = "sponsorName|brand|company", .max = SHORT_MAX},
    {.to = "product", .kind = SHAPE_TEXT, .from = "sponsorProduct"},
    {.to = "placement", .kind = SHAPE_TEXT, .from = "placementPreference|sponsorPlacement"},
    {.to = "duration",
     .kind = SHAPE_SECONDS,
     .from = "sponsorDuration",
     .min = 1,
     .max = SECONDS_MAX},
    {.to = "talkingPoints",
     .kind = SHAPE_LINES,
     .from = "keyPoints|sponsorKeyPoints|sponsorTalkingPoints"},
    {.to = "cta", .kind = SHAPE_TEXT, .from = "sponsorCta|callToAction"},
    {.to = "disclosure", .kind = SHAPE_FLAG, .from = "includeDisclosure|ftcDisclosure"},
    {.to = "disclosureText",
     .kind = SHAPE_PROSE,
     .from = "sponsorDisclosure|ftcDisclosureText|ftcDisclosure|disclosure"},
    {.to = NULL},
};

const struct shape params_shapes[] = {
    {.to = "topic", .kind = SHAPE_TEXT, .from = "videoTopic", .max = SHORT_MAX, .strict = true},
    {.to = "title", .kind = SHAPE_TEXT, .from = "videoTitle", .max = SHORT_MAX, .strict = true},
    {.to = "type", .kind = SHAPE_CHOICE, .from = "scriptType", .choices = types, .strict = true},
    {.to = "platform", .kind = SHAPE_CHOICE, .choices = platforms, .strict = true},
    {.to = "targetDuration",
     .kind = SHAPE_SECONDS,
     .from = "targetDurationSeconds|durationSeconds",
     .min = -SECONDS_MAX,
     .max = SECONDS_MAX,
     .strict = true},
    {.to = "tone", .kind = SHAPE_TEXT, .strict = true},
    {.to = "audience",
     .kind = SHAPE_OBJECT,
     .from = "targetAudience",
     .members = audience,
     .text_to = "summary"},
    {.to = "voice",
     .kind = SHAPE_OBJECT,
     .from = "voiceProfile",
     .inside = "basicProfile|basic|trainingData.basic|trainingData.basicProfile",
     .members = voice,
     .text_to = "summary"},
    {.to = "hook", .kind = SHAPE_TEXT, .from = "selectedHook|openingHook", .strict = true},
    {.to = "frame",
     .kind = SHAPE_OBJECT,
     .from = "narrativeFrame",
     .inside = "selected",
     .members = frame,
     .text_to = "text"},
    {.to = "contentPoints",
     .kind = SHAPE_LIST,
     .inside = "points|items|data",
     .members = point,
     .text_to = "title",
     .needs = "title"},
    {.to = "research",
     .kind = SHAPE_OBJECT,
     .from = "researchData",
     .inside = "data",
     .members = research,
     .text_to = "summary",
     .list_to = "sources"},
    {.to = "sponsor",
     .kind = SHAPE_OBJECT,
     .from = "sponsorInfo|sponsorData",
     .inside = "data",
     .members = sponsor,
     .text_to = "name",
     .needs = "name|product"},
    {.to = "thumbnail", .kind = SHAPE_TEXT, .from = "thumbnailConcept", .strict = true},
    {.to = "model", .kind = SHAPE_TEXT, .max = 200, .strict = true},
    {.to = "language", .kind = SHAPE_TEXT, .max = 200, .strict = true},
    {.to = "pointOfView", .kind = SHAPE_TEXT, .from = "pov", .max = SHORT_MAX, .strict = true},
    {.to = "mustInclude", .kind = SHAPE_WORDS, .strict = true},
    {.to = "mustAvoid", .kind = SHAPE_WORDS, .strict = true},
    {.to = "cta", .kind = SHAPE_TEXT, .from = "callToAction", .strict = true},
    {.to = "variants", .kind = SHAPE_INTEGER, .min = 1, .max = PARAMS_VARIANTS_MAX, .strict = true},
    {.to = "exports", .kind = SHAPE_CHOICES, .choices = exports, .strict = true},
    {.to = "mode", .kind = SHAPE_CHOICE, .choices = modes, .strict = true},
    {.to = "deadline", .kind = SHAPE_TEXT, .max = 64, .strict = true},
    {.to = "maxCostUsd", .kind = SHAPE_DOLLARS, .max = PARAMS_DOLLARS_MAX, .strict = true},
    {.to = "idempotencyKey", .kind = SHAPE_TEXT, .max = 200, .strict = true},
    {.to = NULL},
};
