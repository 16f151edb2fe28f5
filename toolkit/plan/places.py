"""Where an inventory object stands, also when it was built in code and has no file.

Pure.
"""

from __future__ import annotations

from toolkit.errors import Place
from toolkit.inventory.model import Cloud, Delivery, Link, Repository, Router

_SECTIONS: dict[type, str] = {
    Router: "routers",
    Link: "links",
    Repository: "repositories",
    Cloud: "clouds",
    Delivery: "deliveries",
}


def place_of(item: Router | Link | Repository | Cloud | Delivery) -> Place:
    """Return the place the loader noted, or the dotted path that the object would have."""
    if item.place != Place():
        return item.place
    return Place(path=f"{_SECTIONS[type(item)]}.{item.name}")


def lock_place(section: str, name: str) -> Place:
    """Return the place of an entry of the lock; its reader knows the file."""
    return Place(path=f"lock.{section}.{name}")
