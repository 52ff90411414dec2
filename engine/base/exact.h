/* Functions of real numbers that give the same bits on every machine and with every C library, since libm promises that for
 * neither: nothing but IEEE 754 + − × ÷ in a fixed order. For the decision path, where replay compares bytes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_BASE_EXACT_H
#define TACT_BASE_EXACT_H

/* e to the x, within 1 ulp of the true value where the result is normal (argument reduction by ln 2 in two parts, Taylor
 * polynomial of degree 13: Cody and Waite 1980). 0 below −746, infinity above 709.79, NaN for NaN. */
double exact_exp(double x);

#endif
