"""Numbers that Django's templates print in plain digits in every language.

In German, Django prints 1.5 as 1,5 and, with USE_THOUSAND_SEPARATOR, 1200 as 1.200. HTML attributes and CSS
need plain digits.
"""

from fractions import Fraction

from django.conf import settings
from django.utils.formats import localize


def plain(number: int | float) -> "int | float | PlainNumber":
    """Return the number itself if Django prints it in plain digits, otherwise a PlainNumber."""
    # Skips the slow formatting on most sites.
    if isinstance(number, int) and not settings.USE_THOUSAND_SEPARATOR:
        return number
    return number if str(localize(number)) == str(number) else PlainNumber(number)


class PlainNumber(Fraction):
    """A number that is printed in plain digits.

    Django formats int, float, Decimal and their subclasses, but not Fraction. A Fraction compares and
    calculates like them, in `{% if im.width > 600 %}` and in filters.
    """

    def __str__(self) -> str:
        return str(self.numerator if self.denominator == 1 else float(self))
