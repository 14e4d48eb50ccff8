"""The official Anthropic SDK, driven line by line: one JSON command in, one JSON result out."""
import json
import sys

import anthropic

base_url = sys.argv[1].removesuffix("/v1")
client = anthropic.Anthropic(base_url=base_url, api_key="sk-client", max_retries=0, timeout=20)


def trace(headers):
    return {name: headers.get("x-fb-" + name, "") for name in ("served-by", "attempts", "level", "trace")}


def printed(message):
    content = [block.model_dump(exclude_none=True) for block in message.content]
    usage = message.usage
    return {"content": content, "stop": message.stop_reason, "role": message.role,
            "usage": [usage.input_tokens, usage.output_tokens]}


def message(arguments):
    raw = client.messages.with_raw_response.create(**arguments)
    result = {"request_id": bool(raw.headers.get("request-id")), **trace(raw.headers)}
    return {**printed(raw.parse()), **result}


def stream(arguments):
    events = []
    with client.messages.stream(**arguments) as stream:
        result = trace(stream.response.headers)
        for event in stream:
            if not events or events[-1] != event.type:
                events.append(event.type)
        return {**printed(stream.get_final_message()), "events": events, **result}


def count(arguments):
    return {"input_tokens": client.messages.count_tokens(**arguments).input_tokens}


def models(_):
    return {"models": [model.id for model in client.models.list()]}


for line in sys.stdin:
    command = json.loads(line)
    try:
        do = {"message": message, "stream": stream, "count": count, "models": models}[command["do"]]
        result = do(command.get("with", {}))
    except anthropic.APIStatusError as error:
        body = error.body.get("error", {}) if isinstance(error.body, dict) else {}
        result = {"error": type(error).__name__, "status": error.status_code, "type": body.get("type"),
                  "request_id": bool(error.request_id), **trace(error.response.headers)}
    except anthropic.APIError as error:
        result = {"error": type(error).__name__, "message": str(error)}
    print(json.dumps(result), flush=True)
