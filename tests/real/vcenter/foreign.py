# SPDX-License-Identifier: Apache-2.0
"""What the simulator's log tells of a foreign writer: what it wrote, and what others overwrote."""

import collections
import json

from vcenter import keys_of


def foreign_members(change):
    """What an edit wrote: (member, value) pairs."""
    yield from ((f"/{name}", value) for name, value in (change["set"] or {}).items())
    yield from ((f"/extra/{key}", value) for key, value in (change["extra"] or {}).items())


def member_of(cls, path):
    """A PATCH that leaves a member out keeps it, and gives nothing here."""
    if path.startswith("/extra/"):
        return keys_of(cls).get(path.removeprefix("/extra/"), "") if "config_spec" in cls else None
    return cls.get(path[1:])


def losses(log):
    """Foreign writes that a PATCH overwrote: those that it could not have seen, and the others."""
    unseen, seen = [], []
    theirs = collections.defaultdict(dict)  # class -> member -> (value, turn)
    reads = {}  # (session, class) -> turn of the last GET
    for one in sorted((one for one in log if one.get("turn")), key=lambda one: one["turn"]):
        if one["method"] == "EDIT":
            for member, value in foreign_members(json.loads(one["body"])):
                theirs[one["path"]][member] = (value, one["turn"])
        elif one["method"] == "GET":
            reads[one["session"], one["path"]] = one["turn"]
        elif one["method"] == "PATCH" and one["status"] < 300:
            sent = json.loads(one["body"])
            for member, (value, turn) in list(theirs[one["path"]].items()):
                if member_of(sent, member) not in (None, value):
                    late = turn > reads.get((one["session"], one["path"]), 0)
                    (unseen if late else seen).append((one["path"], member, value))
                    # It is gone: a later PATCH does not lose it again.
                    del theirs[one["path"]][member]
    return unseen, seen


def last_writes(log):
    last = collections.defaultdict(dict)
    for one in log:
        if one["method"] == "EDIT":
            last[one["path"]].update(foreign_members(json.loads(one["body"])))
    return last
