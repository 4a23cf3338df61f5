"""Numbers that Django's templates print in plain digits, whatever the language of the page.

In German, Django prints 1.5 as 1,5, and with USE_THOUSAND_SEPARATOR also 1200 as 1.200. Neither is a number
in an attribute of HTML or in CSS.
"""

from fractions import Fraction

from django.conf import settings
from django.utils.formats import localize


def plain(number: int | float) -> "int | float | PlainNumber":
    """Return a number as it is where Django prints it plainly, else one that it does."""
    # Formatting takes longer than all else that a page asks of a number, and most sites separate nothing.
    if isinstance(number, int) and not settings.USE_THOUSAND_SEPARATOR:
        return number
    return number if str(localize(number)) == str(number) else PlainNumber(number)


class PlainNumber(Fraction):
    """A number that is printed in plain digits.

    Django formats int, float and Decimal with their subclasses, and no fraction. That compares and
    calculates as they do, in `{% if im.width > 600 %}` and in filters.
    """

    def __str__(self) -> str:
        return str(self.numerator if self.denominator == 1 else float(self))
