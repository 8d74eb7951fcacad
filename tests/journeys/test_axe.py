"""axe-core on every public page in every state: no violation, in light, in dark and in forced colours."""

from pathlib import Path
from typing import Any

import pytest

from tests.accessibility import LANGUAGES, recorded
from tests.journeys.conftest import PHONE, Phone, Site
from tests.journeys.states import every_state

pytestmark = pytest.mark.browser
AXE = (Path(__file__).parent.parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
CONTRAST = ["color-contrast", "color-contrast-enhanced", "link-in-text-block"]
EVERYTHING = {
    "runOnly": {"type": "tag", "values": TAGS},
    "rules": {"color-contrast-enhanced": {"enabled": True}},
    "resultTypes": ["violations"],
}
COLOURS = {"runOnly": {"type": "rule", "values": CONTRAST}, "resultTypes": ["violations"]}
"""What can differ between the colour schemes: the rest of a page is the same."""
SCHEMES: dict[str, dict[str, str]] = {
    "light": {"color_scheme": "light", "forced_colors": "none"},
    "dark": {"color_scheme": "dark", "forced_colors": "none"},
    "forced": {"color_scheme": "dark", "forced_colors": "active"},
}


SYSTEM_COLOURS = """
() => {
  const light = colour => colour.map(c => c / 255).map(c => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [0, 0, 0];
  };
  const faults = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility() || element.closest(".vh")) continue;
    const [a, b] = [light(parse(getComputedStyle(element).color).slice(0, 3)), light(behind(element).slice(0, 3))];
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 7) faults.push(`contrast ${ratio.toFixed(1)}: ${element.outerHTML.slice(0, 160)}`);
  }
  return faults.slice(0, 5);
}
"""
"""axe cannot be asked here: it reads text colours from a property that Chromium does not report as forced."""


def violations(phone: Phone, options: dict[str, Any] | None = None) -> list[str]:
    if not phone.page.evaluate("'axe' in window"):
        phone.page.evaluate(AXE)
    found = phone.page.evaluate("options => axe.run(document, options)", options or EVERYTHING)
    return [
        f"{v['id']}: {v['help']}: {[n['html'][:160] for n in v['nodes'][:3]]}" for v in found["violations"]
    ]


def found_in(phone: Phone, scheme: str) -> list[str]:
    phone.page.emulate_media(**SCHEMES[scheme])
    if scheme == "forced":
        return list(phone.page.evaluate(SYSTEM_COLOURS))
    return violations(phone, EVERYTHING if scheme == "light" else COLOURS)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_state(phone: Any, site: Site, lang: str) -> None:
    tab = phone(site, bypass_csp=True)
    # So long that the button that stays at the lower edge covers nothing: axe takes that for a small target.
    tab.page.set_viewport_size({**PHONE, "height": 20_000})
    with recorded("rules", lang) as look:
        for state in every_state(tab, site, lang):
            for scheme in ("dark", "forced", "light"):
                look.at(f"{lang}, {state}, {scheme}", found_in(tab, scheme))


def test_a_fault_is_found_in_each_scheme(phone: Any, site: Site) -> None:
    """The tests above must be able to fail."""
    tab = phone(site, bypass_csp=True)
    tab.page.goto("/de/")
    tab.page.evaluate(
        "document.querySelector('main').insertAdjacentHTML('beforeend',"
        ' \'<p style="color:#777;background:#888;forced-color-adjust:none">zu blass</p><img src="x">\')'
    )
    for scheme in SCHEMES:
        lines = found_in(tab, scheme)
        assert any("contrast" in line for line in lines), scheme
        assert any(line.startswith("image-alt:") for line in lines) is (scheme == "light")
