"""Parameters for the models under test, in round numbers."""

from tests.soak.model import Bounds
from tests.soak.room_model import RoomBounds

BOUNDS = Bounds(set=0.5, reset=0.3, tolerance=0.02, settle=5.0)
ROOM_BOUNDS = RoomBounds(
    quota=1000,
    target=0.4,
    slack=0.05,
    plenty=0.2,
    settle=5.0,
    forgets=10.0,
    write_bytes=10,
    lasts=5.0,
    counted=2.0,
    unseen=1,
)
