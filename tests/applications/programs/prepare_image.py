"""Writes `image.tif` into the current folder, for titiler to serve."""

import numpy as np
import rasterio
from rasterio.transform import from_bounds

SIDE = 256

with rasterio.open(
    "image.tif",
    "w",
    driver="GTiff",
    width=SIDE,
    height=SIDE,
    count=1,
    dtype="uint8",
    crs="EPSG:4326",
    transform=from_bounds(0, 0, 1, 1, SIDE, SIDE),
) as image:
    image.write(np.arange(SIDE * SIDE, dtype="uint32").reshape(SIDE, SIDE).astype("uint8"), 1)
