-- For wrk: each request the next line of the file BODIES, and one JSON object about them all at the end.

local bodies = {}
for body in io.lines(os.getenv("BODIES")) do
   bodies[#bodies + 1] = body
end
local at = 0

function init(arguments)
   wrk.method = "POST"
   wrk.headers["content-type"] = "application/x-www-form-urlencoded"
end

-- Behind the last line there is nothing to ask: the server refuses that, and it is counted below.
function request()
   at = at + 1
   return wrk.format(nil, nil, nil, bodies[at] or "")
end

function done(summary, latency, requests)
   local errors = summary.errors
   io.stderr:write(string.format(
      '{"requests":%d,"failed":%d,"per_second":%.1f,"p50_us":%d,"p99_us":%d}\n',
      summary.requests,
      errors.connect + errors.read + errors.write + errors.status + errors.timeout,
      summary.requests / summary.duration * 1e6,
      latency:percentile(50),
      latency:percentile(99)
   ))
end
