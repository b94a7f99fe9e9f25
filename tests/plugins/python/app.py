"""A node written in Python: counts the words that a contact wrote.

It shows that a component of another toolchain than ours runs. Such components import WASI 0.2, which the server gives them
only where the operator allows it, and then with nothing behind it: no files, no network, no environment.
"""

import json

from wit_world import exports
from wit_world.imports import log
from wit_world.imports.types import ConfigFault, Fault_InvalidConfig
from componentize_py_types import Err

MANIFEST = {
    "name": "python-words",
    "version": "0.1.0",
    "title": "Words",
    "nodes": [
        {
            "type": "words",
            "title": "Count words",
            "exits": [{"name": "counted"}, {"name": "nothing"}],
            "config_schema": {
                "type": "object",
                "properties": {"store_in": {"type": "string"}},
                "required": ["store_in"],
                "additionalProperties": False,
            },
        }
    ],
    "capabilities": {"log": True},
}


class Manifest(exports.Manifest):
    def describe(self):
        return json.dumps(MANIFEST)


class Node(exports.Node):
    def execute(self, call):
        store_in = json.loads(call.config)["store_in"]
        if not store_in:
            raise Err(Fault_InvalidConfig(ConfigFault("/store_in", "a variable has a name")))
        text = (json.loads(call.context).get("message") or {}).get("text", "")
        words = len(text.split())
        if not words:
            return exports.node.Step(exports.node.Outcome_Next("nothing"), None, None)
        log.write(log.Level.INFO, f"{words} words", json.dumps({"words": words}))
        actions = {"variables": {f"state.{store_in}": words}}
        return exports.node.Step(exports.node.Outcome_Next("counted"), None, json.dumps(actions))

    def resume(self, call, cause):
        return exports.node.Step(exports.node.Outcome_Next("nothing"), None, None)
