/* lesson_file -- lessons as text files (help lesson-files). Private to src/shell. */
#ifndef WEFT_SHELL_LESSON_FILE_H
#define WEFT_SHELL_LESSON_FILE_H

#include "command.h"
#include "weft/base/error.h"

/* A text and what belongs to it; `note` NULL: nothing. */
typedef struct LessonPair {
    char *text, *note;
} LessonPair;
typedef struct LessonPairs {
    LessonPair *pair;
    size_t count, capacity;
} LessonPairs;

/* Text and hidden Lua are passed; the others wait for the learner. */
typedef enum LessonKind {
    LESSON_TEXT,
    LESSON_LUA,
    LESSON_COMMAND,
    LESSON_NUMBER,
    LESSON_CHOICE,
    LESSON_TASK
} LessonKind;
typedef struct LessonItem {
    LessonKind kind;
    int line;         /* of the file, for errors */
    char *text;       /* what is printed; LUA: the code; COMMAND: the command, which may have several lines */
    char *answer;     /* NUMBER, CHOICE: a Lua expression; NULL: the choice `right` */
    double tolerance; /* NUMBER: largest error; negative: a share of the answer, of opposite sign; 0: the usual one */
    size_t right;     /* CHOICE without `answer` */
    LessonPairs choices; /* each with the reason why it is wrong */
    LessonPairs checks;  /* COMMAND, TASK: a Lua condition each, with what is missing where it is false */
    LessonPairs hints;   /* no notes */
    char *solution;      /* TASK: commands that fulfil the checks */
} LessonItem;
typedef struct LessonStep {
    char *title;
    int line;
    LessonItem *items;
    size_t count, capacity;
} LessonStep;
typedef struct Lesson {
    char *title, *about;
    uint64_t minutes, order; /* 0: not given */
    LessonStep *steps;
    size_t count, capacity;
} Lesson;

/* Reads and checks a lesson. STATUS_BAD_INPUT names the file, the line and the reason. lesson_free accepts NULL. */
Lesson *lesson_read(Session *session, const char *path, Error *err);
void lesson_free(Lesson *lesson);

#endif
