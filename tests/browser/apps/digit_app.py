"""The app with small untrained networks in the place of those of digits: what they say is not asked."""

import engine.zoo
from pages.kit.rooms import ROOT
from tests.spatial import untrained

engine.zoo.load = untrained.load
exec(compile((ROOT / "app.py").read_text(encoding="utf8"), str(ROOT / "app.py"), "exec"))
