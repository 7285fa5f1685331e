"""One self-contained HTML file of a method or a comparison: sheets → drawings and data → page. Never imports torch."""

from graphssl.views.page.html import html
from graphssl.views.page.sheets import Attribute, Detail, Port, Sheet, comparison, sheet, sheets

__all__ = ["Attribute", "Detail", "Port", "Sheet", "comparison", "html", "sheet", "sheets"]
