/* Numbers from text; see number.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/number.h"
#include "base/error.h"
#include "base/excerpt.h"
#include "base/number_powers.h"
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <strings.h>

enum {
    DIGITS_FAST = 19,       /* so many always fit into 64 bits */
    EXACT_POWER = 22,       /* 10^22 is the last power of ten that is a double */
    DIGITS_NEEDED = 800,    /* 767 digits decide a double's rounding; one more says whether others follow */
    EXPONENT_SHOWN = 100000 /* strtod need not see a larger one to say zero or infinity */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* ---- reading ---- */

/* A text cut into its parts; w holds its digits where they are few enough. */
struct decimal {
    bool negative;
    uint64_t w;
    const char *digits, *digits_end; /* with a point somewhere */
    size_t digit_count;
    int64_t exponent; /* of the last digit */
};

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
/* The n bytes at p (8 of them if there are more), the first one lowest, zeros above. */
static inline uint64_t load_bytes(const char *p, size_t n)
{
    uint64_t v = 0;
    uint32_t first, last;
    if (n >= 8) {
        memcpy(&v, p, 8);
    } else if (n >= 4) {
        memcpy(&first, p, 4);
        memcpy(&last, p + n - 4, 4);
        v = first | (uint64_t)last << (8 * (n - 4));
    } else if (n > 0) {
        v = (uint8_t)p[0] | (uint64_t)(uint8_t)p[n / 2] << (8 * (n / 2)) |
            (uint64_t)(uint8_t)p[n - 1] << (8 * (n - 1));
    }
    return v;
}

/* The number that the lowest n bytes of v write, all digits, 1 <= n <= 8. They move to the top, so that those missing
 * count as zeros in front; then pairs are summed, fours, all. */
static inline uint64_t value_of(uint64_t v, unsigned n)
{
    v = (v - UINT64_C(0x3030303030303030)) << (64 - 8 * n);
    v = v * 10 + (v >> 8);
    return ((v & UINT64_C(0x000000FF000000FF)) * UINT64_C(0x000F424000000064) +
            ((v >> 16) & UINT64_C(0x000000FF000000FF)) * UINT64_C(0x0000271000000001)) >>
           32;
}

/* Most numbers at once: up to eight bytes of digits and at most one point, n of them at p. Their integer is below
 * 10^8, so that one division rounds right. False: something else, perhaps a number all the same. */
static inline bool read_short(const char *p, size_t n, double *out)
{
    static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7};
    if (n - 1 > 7)
        return false;
    uint64_t v = load_bytes(p, n), x = v ^ UINT64_C(0x3030303030303030);
    /* the sign bit of each byte that is no digit, exactly: low seven bits over 9, or the eighth */
    uint64_t other = (((x & UINT64_C(0x7F7F7F7F7F7F7F7F)) + UINT64_C(0x7676767676767676)) | x) &
                     (UINT64_C(0x8080808080808080) >> (64 - 8 * n));
    if (other == 0) {
        *out = (double)(int64_t)value_of(v, (unsigned)n);
        return true;
    }
    unsigned at = (unsigned)__builtin_ctzll(other) / 8;
    if ((other & (other - 1)) || n == 1 || p[at] != '.')
        return false;
    uint64_t below = (UINT64_C(1) << (8 * at)) - 1;
    v = (v & below) | (v >> 8 & ~below);
    *out = (double)(int64_t)value_of(v, (unsigned)n - 1) / powers[n - 1 - at];
    return true;
}

/* Over the digits at p; *w takes them in (and overflows where there are too many, which the caller counts). Eight at
 * a time, without a branch for each: the sign bits of `other` mark bytes that are no digits, exactly so up to the
 * first one. */
static inline const char *take_digits(const char *p, const char *end, uint64_t *w)
{
    static const uint32_t powers[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
    for (;;) {
        uint64_t v = load_bytes(p, (size_t)(end - p));
        uint64_t other = ((v + UINT64_C(0x4646464646464646)) | (v - UINT64_C(0x3030303030303030))) &
                         UINT64_C(0x8080808080808080);
        unsigned n = other ? (unsigned)__builtin_ctzll(other) / 8 : 8;
        if (n == 0)
            return p;
        *w = *w * powers[n] + value_of(v, n);
        p += n;
        if (n < 8)
            return p;
    }
}
#else
static inline bool read_short(const char *p, size_t n, double *out)
{
    (void)p, (void)n, (void)out;
    return false;
}

static inline const char *take_digits(const char *p, const char *end, uint64_t *w)
{
    for (; p < end && is_digit(*p); p++)
        *w = *w * 10 + (uint64_t)(*p - '0');
    return p;
}
#endif

/* The exponent's digits at p; NULL when there are none or something follows. Stops growing where it no longer
 * matters. */
static const char *take_exponent(const char *p, const char *end, int64_t *out)
{
    bool negative = p < end && *p == '-';
    p += p < end && (*p == '-' || *p == '+');
    int64_t v = 0;
    const char *from = p;
    for (; p < end && is_digit(*p); p++)
        if (v < INT64_MAX / 100)
            v = v * 10 + (*p - '0');
    *out += negative ? -v : v;
    return p > from && p == end ? p : NULL;
}

static bool take_decimal(struct str text, struct decimal *d)
{
    const char *p = text.p, *end = p + text.n;
    *d = (struct decimal){0};
    if (text.n == 0)
        return false;
    d->negative = *p == '-';
    p += *p == '-' || *p == '+';
    d->digits = p;
    p = take_digits(p, end, &d->w);
    d->digit_count = (size_t)(p - d->digits);
    if (p < end && *p == '.') {
        const char *from = ++p;
        p = take_digits(p, end, &d->w);
        d->digit_count += (size_t)(p - from);
        d->exponent = -(int64_t)(p - from);
    }
    d->digits_end = p;
    if (d->digit_count == 0)
        return false;
    return p == end || ((*p == 'e' || *p == 'E') && take_exponent(p + 1, end, &d->exponent));
}

/* Digits without zeros in front, of which w then holds all if they are at most DIGITS_FAST. */
static size_t significant(const struct decimal *d)
{
    size_t zeros = 0;
    for (const char *p = d->digits; p < d->digits_end && (*p == '0' || *p == '.'); p++)
        zeros += *p == '0';
    return d->digit_count - zeros;
}

/* w * 10^q by the 128-bit table, w > 0, |q| <= NUMBER_POWER_MAX: such a product is neither subnormal nor infinite.
 * Lemire 2021, algorithm 1: 55 bits of the product decide unless all the bits below them are ones; then the power's
 * second half comes in. The product is exactly half way only for small q (-4 to 23), which is where ties round to
 * even. */
static double scaled(uint64_t w, int q)
{
    const uint64_t *power = number_powers[q + NUMBER_POWER_MAX];
    int zeros = __builtin_clzll(w);
    w <<= zeros;
    unsigned __int128 product = (unsigned __int128)w * power[0];
    uint64_t high = (uint64_t)(product >> 64), low = (uint64_t)product;
    if ((high & 0x1FF) == 0x1FF) {
        uint64_t more = (uint64_t)(((unsigned __int128)w * power[1]) >> 64);
        low += more;
        high += low < more;
    }
    int top = (int)(high >> 63), shift = top + 9;
    uint64_t mantissa = high >> shift;                    /* 54 bits */
    int binary = ((217706 * q) >> 16) + 63 + top - zeros; /* floor(q * log2(10)) in front */
    if (low <= 1 && q >= -4 && q <= 23 && (mantissa & 3) == 1 && mantissa << shift == high)
        mantissa &= ~UINT64_C(1);
    mantissa = (mantissa + (mantissa & 1)) >> 1;
    if (mantissa >> 53) {
        mantissa >>= 1;
        binary++;
    }
    uint64_t bits = (mantissa & ((UINT64_C(1) << 52) - 1)) | (uint64_t)(binary + 1023) << 52;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* By strtod, on the digits that decide and without a point, which would be the locale's. */
static double by_strtod(const struct decimal *d)
{
    char text[DIGITS_NEEDED + 32];
    size_t n = 0;
    int64_t exponent = d->exponent;
    bool rest = false;
    for (const char *p = d->digits; p < d->digits_end; p++) {
        if (*p == '.' || (n == 0 && *p == '0'))
            continue;
        if (n < DIGITS_NEEDED) {
            text[n++] = *p;
        } else {
            rest = rest || *p != '0';
            exponent++;
        }
    }
    if (n == 0)
        return 0;
    if (rest)
        text[n - 1] = '1'; /* beyond the digits that a tie has, so it only says: more than this */
    exponent = exponent > EXPONENT_SHOWN ? EXPONENT_SHOWN : exponent;
    exponent = exponent < -EXPONENT_SHOWN ? -EXPONENT_SHOWN : exponent;
    snprintf(text + n, sizeof text - n, "e%lld", (long long)exponent);
    return strtod(text, NULL);
}

static bool read_any(struct str text, double *out)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    struct decimal d;
    if (!take_decimal(text, &d))
        return false;
    double value;
    if (d.digit_count > DIGITS_FAST && significant(&d) > DIGITS_FAST)
        value = by_strtod(&d);
    else if (d.w == 0)
        value = 0;
    else if (d.w <= UINT64_C(1) << 53 && d.exponent >= -EXACT_POWER && d.exponent <= EXACT_POWER)
        value = d.exponent < 0 ? (double)d.w / powers[-d.exponent] : (double)d.w * powers[d.exponent];
    else if (d.exponent >= -NUMBER_POWER_MAX && d.exponent <= NUMBER_POWER_MAX)
        value = scaled(d.w, (int)d.exponent);
    else
        value = by_strtod(&d);
    if (isinf(value))
        return false;
    *out = d.negative ? -value : value;
    return true;
}

bool number_read(struct str text, double *out)
{
    if (text.n == 0)
        return false;
    size_t sign = *text.p == '-';
    double value;
    if (!read_short(text.p + sign, text.n - sign, &value))
        return read_any(text, out);
    *out = sign ? -value : value;
    return true;
}

/* ---- what is wrong ---- */

enum { CLEAN_MAX = 64 };

/* A character, or several bytes that are one, and what a number has in its place. */
struct foreign {
    const char *text, *plain;
};

/* text with each of the foreign ones replaced; false when none is there or it is too long. */
static bool replaced(struct str text, const struct foreign *list, char out[CLEAN_MAX])
{
    size_t n = 0;
    bool any = false;
    for (size_t i = 0; i < text.n;) {
        const struct foreign *f = list;
        struct str rest = {text.p + i, text.n - i};
        while (f->text && !str_starts(rest, str_from(f->text)))
            f++;
        const char *put = f->text ? f->plain : text.p + i;
        size_t k = f->text ? strlen(f->plain) : 1;
        if (n + k >= CLEAN_MAX)
            return false;
        memcpy(out + n, put, k);
        n += k;
        i += f->text ? strlen(f->text) : 1;
        any = any || f->text;
    }
    out[n] = 0;
    return any;
}

static bool is_number(const char *text)
{
    double value;
    return number_read(str_from(text), &value);
}

/* Digits of Arabic and Persian: the second byte's base in UTF-8 (D9 A0 …, DB B0 …). */
static bool latin_digits(struct str text, char out[CLEAN_MAX])
{
    size_t n = 0;
    bool any = false;
    for (size_t i = 0; i < text.n && n + 1 < CLEAN_MAX; i++) {
        uint8_t c = (uint8_t)text.p[i], next = i + 1 < text.n ? (uint8_t)text.p[i + 1] : 0;
        if ((c == 0xD9 && next >= 0xA0 && next <= 0xA9) || (c == 0xDB && next >= 0xB0 && next <= 0xB9)) {
            out[n++] = (char)('0' + (next & 0x0F));
            i++;
            any = true;
        } else if (c == 0xD9 && next == 0xAB) { /* decimal separator */
            out[n++] = '.';
            i++;
            any = true;
        } else {
            out[n++] = text.p[i];
        }
    }
    out[n] = 0;
    return any && is_number(out);
}

/* Whether groups of three digits stand between marks: 1,234,567 and -1,234. */
static bool grouped(struct str text, char mark)
{
    size_t i = text.n && (text.p[0] == '-' || text.p[0] == '+'), digits = 0, marks = 0;
    if (i < text.n && text.p[i] == '0')
        return false; /* 0,125 is no group of three */
    for (; i < text.n && (is_digit(text.p[i]) || text.p[i] == mark); i++) {
        if (text.p[i] == mark) {
            if (digits == 0 || digits > 3 || (marks && digits != 3))
                return false;
            marks++;
            digits = 0;
        } else {
            digits++;
        }
    }
    return i == text.n && marks > 0 && digits == 3;
}

/* Commas and dots; false when the text is something else. */
static bool comma_trouble(struct str text, const char *shown, char *room, size_t n)
{
    static const struct foreign no_commas[] = {{",", ""}, {NULL, NULL}},
                                no_dots[] = {{".", ""}, {NULL, NULL}},
                                european[] = {{".", ""}, {",", "."}, {NULL, NULL}},
                                point[] = {{",", "."}, {NULL, NULL}};
    const char *comma = text.n ? memchr(text.p, ',', text.n) : NULL,
               *dot = text.n ? memchr(text.p, '.', text.n) : NULL;
    char clean[CLEAN_MAX], other[CLEAN_MAX];
    if (comma && dot && dot < comma && replaced(text, european, clean) && is_number(clean))
        snprintf(room, n, "%s has a decimal comma and dots inside; write %s", shown, clean);
    else if (comma && dot && comma < dot && replaced(text, no_commas, clean) && is_number(clean))
        snprintf(room, n, "%s has commas inside; write %s", shown, clean);
    else if (comma && grouped(text, ',') && replaced(text, no_commas, clean) && is_number(clean) &&
             replaced(text, point, other) && is_number(other))
        snprintf(room, n, "%s has a comma; write %s or %s, whichever is meant", shown, clean, other);
    else if (comma && grouped(text, ',') && replaced(text, no_commas, clean) && is_number(clean))
        snprintf(room, n, "%s has commas inside; write %s", shown, clean);
    else if (comma && replaced(text, point, clean) && is_number(clean))
        snprintf(room, n, "%s has a decimal comma; write %s", shown, clean);
    else if (dot && grouped(text, '.') && replaced(text, no_dots, clean) && is_number(clean))
        snprintf(room, n, "%s has dots inside; write %s", shown, clean);
    else
        return false;
    return true;
}

static bool percent_trouble(struct str text, const char *shown, char *room, size_t n)
{
    char clean[CLEAN_MAX];
    static const struct foreign percents[] = {{"%", ""}, {" ", ""}, {"\u066A", ""}, {NULL, NULL}};
    bool sign =
        text.n && (text.p[text.n - 1] == '%' || text.p[0] == '%' || memmem(text.p, text.n, "\u066A", 2));
    if (!sign || !replaced(text, percents, clean) || !is_number(clean))
        return false;
    snprintf(room, n, "%s has a percent sign; write %s or its hundredth, the same way in every row", shown,
             clean);
    return true;
}

/* A number and something before or behind it that is no digit: a currency, a unit. */
static bool unit_trouble(struct str text, const char *shown, char *room, size_t n)
{
    static const struct foreign currencies[] = {{"$", ""}, {"€", ""},   {"£", ""}, {"¥", ""}, {"₹", ""},
                                                {"﷼", ""}, {"₽", ""}, {"₺", ""}, {" ", ""}, {NULL, NULL}};
    char clean[CLEAN_MAX], inner[NUMBER_TROUBLE];
    if (replaced(text, currencies, clean) && is_number(clean)) {
        snprintf(room, n, "%s has a currency sign; write %s", shown, clean);
        return true;
    }
    if (replaced(text, currencies, clean) && comma_trouble(str_from(clean), "it", inner, sizeof inner)) {
        snprintf(room, n, "%s has a currency sign; without it, %s", shown, inner);
        return true;
    }
    size_t end = text.n;
    while (end > 0 && !is_digit(text.p[end - 1]) && text.p[end - 1] != '.')
        end--;
    if (end == 0 || end == text.n || end >= CLEAN_MAX)
        return false;
    memcpy(clean, text.p, end);
    clean[end] = 0;
    if (!is_number(clean))
        return false;
    snprintf(room, n, "%s has something behind the number; write %s, the same unit in every row", shown,
             clean);
    return true;
}

static bool is_word(struct str text, const char *const *words)
{
    for (; *words; words++)
        if (text.n == strlen(*words) && strncasecmp(text.p, *words, text.n) == 0)
            return true;
    return false;
}

/* Texts that look like a number to a person or to another program. */
static bool word_trouble(struct str text, const char *shown, char *room, size_t n)
{
    static const char *const infinite[] = {"inf",       "+inf", "-inf", "infinity", "+infinity",
                                           "-infinity", "∞",    "-∞",   NULL};
    static const char *const yes[] = {"true", "yes", NULL}, *const no[] = {"false", "no", NULL};
    size_t sign = text.n && (text.p[0] == '-' || text.p[0] == '+');
    if (is_word(text, infinite))
        snprintf(room, n, "%s is not finite; write a number", shown);
    else if (is_word(text, yes) || is_word(text, no))
        snprintf(room, n, "%s is no number; write %d", shown, is_word(text, yes));
    else if (text.n - sign > 2 && text.p[sign] == '0' && (text.p[sign + 1] | 0x20) == 'x')
        snprintf(room, n, "%s is hexadecimal; write it as a decimal number", shown);
    else
        return false;
    return true;
}

/* Numbers in another dress, from the plainest on. */
static bool dress_trouble(struct str text, const char *shown, char *room, size_t n)
{
    static const struct foreign spaces[] = {{" ", ""},      {"\t", ""},     {"\u00A0", ""}, {"\u202F", ""},
                                            {"\u2009", ""}, {"\u200F", ""}, {"\u200E", ""}, {NULL, NULL}};
    static const struct foreign marks[] = {
        {"'", ""}, {"_", ""}, {"\u2019", ""}, {"\u066C", ""}, {NULL, NULL}};
    static const struct foreign minus[] = {{"\u2212", "-"}, {"\u2013", "-"}, {NULL, NULL}};
    static const struct foreign negative[] = {{"(", "-"}, {")", ""}, {NULL, NULL}};
    char clean[CLEAN_MAX];
    bool around = text.n && (text.p[0] == ' ' || text.p[0] == '\t' || text.p[text.n - 1] == ' ' ||
                             text.p[text.n - 1] == '\t');
    if (replaced(text, spaces, clean) && is_number(clean))
        snprintf(room, n, "%s has spaces %s; write %s", shown, around ? "around it" : "inside", clean);
    else if (replaced(text, marks, clean) && is_number(clean))
        snprintf(room, n, "%s has marks between its digits; write %s", shown, clean);
    else if (replaced(text, minus, clean) && is_number(clean))
        snprintf(room, n, "%s has a typographic minus; write %s", shown, clean);
    else if (text.n && text.p[0] == '(' && replaced(text, negative, clean) && is_number(clean))
        snprintf(room, n, "%s has parentheses; write %s", shown, clean);
    else if (latin_digits(text, clean))
        snprintf(room, n, "%s has digits other than 0 to 9; write %s", shown, clean);
    else
        return false;
    return true;
}

const char *number_trouble(struct str text, char *room, size_t n)
{
    ASSERT(n >= NUMBER_TROUBLE);
    char shown[EXCERPT];
    struct decimal d;
    excerpt(text, shown);
    if (take_decimal(text, &d))
        snprintf(room, n, "%s is too large for a number (the largest is about 1.8e308)", shown);
    else if (text.n == 0)
        snprintf(room, n, "an empty text is no number");
    else if (!comma_trouble(text, shown, room, n) && !percent_trouble(text, shown, room, n) &&
             !dress_trouble(text, shown, room, n) && !word_trouble(text, shown, room, n) &&
             !unit_trouble(text, shown, room, n))
        snprintf(room, n, "%s is no number", shown);
    return room;
}
