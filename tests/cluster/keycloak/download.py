"""Download a zip archive from Maven Central and unpack it.

download.py GROUP NAME VERSION SHA256 FOLDER
"""

import hashlib
import io
import sys
import urllib.request
import zipfile

CENTRAL = "https://repo1.maven.org/maven2"


def main(group: str, name: str, version: str, sha256: str, folder: str) -> None:
    """Unpack an artifact whose SHA-256 is known.

    Raises:
        SystemExit: If the archive has another SHA-256.
    """
    url = f"{CENTRAL}/{group.replace('.', '/')}/{name}/{version}/{name}-{version}.zip"
    with urllib.request.urlopen(url, timeout=60) as response:
        data = response.read()
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise SystemExit(f"{url} has the SHA-256 {found}, expected {sha256}.")
    zipfile.ZipFile(io.BytesIO(data)).extractall(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
