# SPDX-License-Identifier: Apache-2.0
"""sbom.py NAME VERSION COMMIT EPOCH <linked - prints an SPDX 2.3 document of a release's archive.

linked: a line for each Debian package whose archive is linked: package, version, source, architecture.
"""

import datetime
import json
import sys


def package(name, version, arch=None, **more):
    entry = {"SPDXID": f"SPDXRef-{name}".replace("+", "-plus-"), "name": name, "versionInfo": version,
             "downloadLocation": "NOASSERTION", "filesAnalyzed": False, "licenseConcluded": "NOASSERTION",
             "licenseDeclared": "NOASSERTION", "copyrightText": "NOASSERTION", **more}
    if arch:
        purl = f"pkg:deb/debian/{name}@{version.replace('+', '%2B').replace(':', '%3A')}?arch={arch}"
        entry["externalRefs"] = [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                                  "referenceLocator": purl}]
    return entry


def main():
    name, version, commit, epoch = sys.argv[1:]
    created = datetime.datetime.fromtimestamp(int(epoch), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    packages = [package("nodeprep", version, licenseDeclared="Apache-2.0")]
    links = [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES",
              "relatedSpdxElement": "SPDXRef-nodeprep"}]
    for line in sys.stdin:
        linked, linked_version, source, arch = line.rstrip("\n").split("\t")
        packages.append(package(linked, linked_version, arch, sourceInfo=f"Debian source package {source}"))
        links.append({"spdxElementId": "SPDXRef-nodeprep", "relationshipType": "STATIC_LINK",
                      "relatedSpdxElement": packages[-1]["SPDXID"]})
    if len(packages) == 1:
        sys.exit("sbom.py: no linked package on standard input")
    document = {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": name,
        "documentNamespace": f"https://nodeprep.dev/spdx/{name}-{commit}",
        "creationInfo": {"created": created, "creators": [f"Tool: nodeprep-dist-{version}"],
                         "comment": f"commit {commit}"},
        "packages": packages, "relationships": links}
    json.dump(document, sys.stdout, indent=1)
    print()


main()
