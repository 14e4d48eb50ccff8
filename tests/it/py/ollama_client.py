"""The official Ollama client against a server that speaks its native dialect."""
import json
import sys

import ollama

client = ollama.Client(host=sys.argv[1])
messages = [{"role": "user", "content": "Hello"}]
tools = [{"type": "function", "function": {"name": "weather", "description": "Tells the weather", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]
plain = client.chat(model="llama3.2", messages=messages)
pieces = [part for part in client.chat(model="llama3.2", messages=messages, stream=True)]
called = client.chat(model="llama3.2", messages=[{"role": "user", "content": "use the tool"}], tools=tools)
shaped = client.chat(model="llama3.2", messages=messages, format={
    "type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]})
print(json.dumps({
    "plain": plain.message.content,
    "done": [plain.done, plain.done_reason],
    "streamed": "".join(part.message.content or "" for part in pieces),
    "pieces": len(pieces) > 2,
    "last": [pieces[-1].done, pieces[-1].done_reason, (pieces[-1].eval_count or 0) > 0],
    "tool": [[call.function.name, sorted(call.function.arguments)] for call in called.message.tool_calls or []],
    "shaped": sorted(json.loads(shaped.message.content)),
    "models": len(client.list().models) > 0,
}))
