"""Being built."""

from pages.kit.page import title
from pages.kit.picker import picker
from pages.kit.rooms import OWN

picker()
title(OWN, None)
