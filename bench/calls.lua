-- What wrk sends. Arguments: encrypt | change | create, file of key ids, token, path up to the call.
--
-- encrypt: 1 KiB under one key after another.
-- change:  disables a thread's keys one after another, then enables them, and so on: each request is
--          one change of state, and no key has two under way.
-- create:  makes keys; the file is not read.
local threads = 0

function setup(thread)
    thread:set("number", threads)
    threads = threads + 1
end

function init(args)
    local mode, prefix = args[1], args[4]
    local headers = { ["Content-Type"] = "application/json", ["X-Auth-Token"] = args[3] }
    post = function(call, body)
        return wrk.format("POST", prefix .. call, headers, body)
    end
    requests, at = {}, 0
    if mode == "create" then
        -- No two keys of a project may have one name.
        name = string.format("bench-%d-%d-", os.time(), number)
        return
    end
    local ids, line = {}, 0
    for id in io.lines(args[2]) do
        -- wrk has two threads: each has half of the keys.
        if line % 2 == number % 2 then ids[#ids + 1] = id end
        line = line + 1
    end
    if mode == "encrypt" then
        local text = string.rep("x", 1024)
        for i, id in ipairs(ids) do
            requests[i] = post("encrypt-data", '{"key_id":"' .. id .. '","plain_text":"' .. text .. '"}')
        end
    else
        for _, call in ipairs({ "disable-key", "enable-key" }) do
            for _, id in ipairs(ids) do
                requests[#requests + 1] = post(call, '{"key_id":"' .. id .. '"}')
            end
        end
        first = post("describe-key", '{"key_id":"' .. ids[1] .. '"}')
    end
end

function request()
    if name then
        at = at + 1
        return post("create-key", '{"key_alias":"' .. name .. at .. '"}')
    end
    if not begun then
        -- wrk asks for the first request once more than it sends it.
        begun = true
        return first or requests[1]
    end
    at = at % #requests + 1
    return requests[at]
end

function done(summary, latency)
    local e = summary.errors
    io.write(string.format("RESULT %.0f %.2f %.2f %d\n", summary.requests / summary.duration * 1e6,
        latency:percentile(50) / 1000, latency:percentile(99) / 1000,
        e.connect + e.read + e.write + e.status + e.timeout))
end
