"""A drawing of what was sampled, in SVG."""

from html import escape

WIDTH, HEIGHT, LEFT, TOP, GAP = 860, 120, 70, 60, 46


def svg(record, title):
    kinds = list(record.values)
    whole = TOP + len(kinds) * (HEIGHT + GAP)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 30} {whole}" '
             'font-family="sans-serif" font-size="12">',
             f'<rect width="100%" height="100%" fill="white"/>',
             f'<text x="{LEFT}" y="28" font-size="16">{escape(title)}</text>']
    end = record.times[-1]
    for place, kind in enumerate(kinds):
        parts += panel(kind, record.times, record.values[kind], end, TOP + place * (HEIGHT + GAP))
    return "\n".join(parts + ["</svg>", ""])


def panel(kind, times, values, end, top):
    """One figure over the time, from nothing up, so that what looks flat is."""
    most = max(values) * 1.1 or 1
    bottom = top + HEIGHT
    x = lambda time: LEFT + WIDTH * time / end
    y = lambda value: bottom - HEIGHT * value / most
    unit = {"RSS": " (MB)", "PSS": " (MB)", "store": " (MB)"}.get(kind, "")
    parts = [f'<text x="{LEFT}" y="{top - 6}">{kind}{unit}</text>',
             f'<path d="M{LEFT} {top}V{bottom}H{LEFT + WIDTH}" fill="none" stroke="#888"/>']
    for share in (0, 0.5, 1):
        value = most * share / 1.1
        parts.append(f'<path d="M{LEFT} {y(value):.1f}h{WIDTH}" stroke="#ddd"/>'
                     f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:,.4g}</text>')
    for share in (0, 0.25, 0.5, 0.75, 1):
        parts.append(f'<text x="{x(end * share):.1f}" y="{bottom + 15}" text-anchor="middle" fill="#666">'
                     f'{end * share / 60:.3g} min</text>')
    line = " ".join(f"{x(time):.1f},{y(value):.1f}" for time, value in zip(times, values))
    parts.append(f'<polyline points="{line}" fill="none" stroke="#06c" stroke-width="1.5"/>')
    return parts
