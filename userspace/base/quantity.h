/* SPDX-License-Identifier: MIT */
/*
 * quantity - a number with its unit as a person reads it: 59 s, 12.4 k, 99.73 %. Pure.
 *
 * The one place where figures become text for reasons, terminal, page and report; the page's own script has
 * the same rules for what it draws itself (serve/web/format.js; tests/unit/base/quantities.txt holds both to
 * it). Never scientific notation, never more digits than matter, and no rounding that changes what is
 * said: 99.9996 % is not 100 %, and what is above 0 is not 0 %.
 *
 *   s       0.35 ms, 1.25 s, 59 s, 30 min, 24 h, 3 d; µs below a tenth of a millisecond
 *   %       two decimals, more near 0 and 100
 *   B       12.4 MB (powers of 1000)
 *   others  exact up to 9999, then 12.4 k, 3.05 M; three digits where it is no whole number
 */
#ifndef MO_QUANTITY_H
#define MO_QUANTITY_H

#define QUANTITY_MAX 64

/* NaN is "-". unit may be "" and is otherwise set after a space; "x" and "/s" too. Returns out. */
const char *quantity(char out[QUANTITY_MAX], double value, const char *unit);

#endif
