"""The official OpenAI SDK, driven line by line: one JSON command in, one JSON result out."""
import json
import sys

import openai

client = openai.OpenAI(base_url=sys.argv[1], api_key="sk-client", max_retries=0, timeout=20)


def trace(headers):
    return {name: headers.get("x-fb-" + name, "") for name in ("served-by", "attempts", "level", "trace")}


def chat(arguments):
    raw = client.chat.completions.with_raw_response.create(**arguments)
    result = trace(raw.headers)
    if not arguments.get("stream"):
        answer = raw.parse()
        message = answer.choices[0].message
        result["text"] = message.content
        result["refusal"] = message.refusal
        result["finish"] = answer.choices[0].finish_reason
        result["tools"] = [[call.function.name, call.function.arguments] for call in message.tool_calls or []]
        result["usage"] = answer.usage.total_tokens if answer.usage else None
        return result
    text, tools, finish, usage, refusal, roles = "", {}, None, None, "", []
    for chunk in raw.parse():
        if chunk.usage:
            usage = chunk.usage.total_tokens
        for choice in chunk.choices:
            text += choice.delta.content or ""
            refusal += choice.delta.refusal or ""
            finish = choice.finish_reason or finish
            if choice.delta.role:
                roles.append(choice.delta.role)
            for call in choice.delta.tool_calls or []:
                tool = tools.setdefault(call.index, ["", ""])
                tool[0] += call.function.name or ""
                tool[1] += call.function.arguments or ""
    result.update(text=text, finish=finish, usage=usage, refusal=refusal or None,
                  tools=[tools[index] for index in sorted(tools)], roles=roles)
    return result


def models(_):
    return {"models": [model.id for model in client.models.list()]}


for line in sys.stdin:
    command = json.loads(line)
    try:
        result = {"chat": chat, "models": models}[command["do"]](command.get("with", {}))
    except openai.APIStatusError as error:
        result = {"error": type(error).__name__, "status": error.status_code, "code": error.code,
                  "param": error.param, "request_id": bool(error.request_id), **trace(error.response.headers)}
    except openai.APIError as error:
        result = {"error": type(error).__name__, "message": str(error)}
    print(json.dumps(result), flush=True)
