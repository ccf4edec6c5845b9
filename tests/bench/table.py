"""Tables of Markdown, and what several turns come to."""

from statistics import median


def table(title, heads, rows, note=""):
    """Prints it: the first column is text, the others are figures."""
    print(f"\n### {title}\n")
    if note:
        print(f"{note}\n")
    print("| " + " | ".join(heads) + " |")
    print("|---|" + "---:|" * (len(heads) - 1))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(flush=True)


def spread(values, form="{:,.0f}"):
    """Lowest to highest."""
    return f"{form.format(min(values))} - {form.format(max(values))}"


def middle(values, form="{:,.0f}"):
    return form.format(median(values))


def of(ours, base):
    """The median of the ratios of turns that followed each other, and how far they go."""
    ratios = [a / b for a, b in zip(ours, base) if b]
    if not ratios:
        return "-"
    return f"{median(ratios):.2f} ({min(ratios):.2f} - {max(ratios):.2f})"
