/* Tokens of an expression. Internal to expr.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_EXPR_LEX_H
#define TACT_EXPR_LEX_H
#include "base/arena.h"
#include "expr/value.h"

enum token_kind {
    TOK_END,
    TOK_BAD,   /* message says why; the rest of the text is not looked at */
    TOK_IDENT, /* also true, false, null, in and reserved words: text says which */
    TOK_INT,   /* magnitude */
    TOK_VALUE, /* double, string or duration: value */
    TOK_OR,
    TOK_AND,
    TOK_EQ,
    TOK_NE,
    TOK_LT,
    TOK_LE,
    TOK_GT,
    TOK_GE,
    TOK_PUNCT /* one character: text.p[0] */
};

struct token {
    enum token_kind kind;
    size_t offset;      /* byte in the source */
    struct str text;    /* as written */
    uint64_t magnitude; /* TOK_INT: the parser knows whether a minus stands before it */
    struct value value;
    const char *message;
};

struct lexer {
    struct str source;
    size_t at;
    struct arena *arena; /* decoded strings and messages */
};

struct token lex_next(struct lexer *l);
/* Words that CEL keeps for other languages; they may be field names but not names. */
bool lex_reserved(struct str word);

#endif
