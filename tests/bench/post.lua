-- wrk's script: posts one file again and again, and prints what it measured in one line.
--   wrk … -s post.lua URL -- FILE CONTENT_TYPE [ACCEPT]
function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  wrk.method, wrk.body = "POST", file:read("*a")
  file:close()
  wrk.headers["content-type"] = arguments[2]
  wrk.headers["accept"] = arguments[3] or "*/*"
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.status + errors.connect + errors.read + errors.write + errors.timeout
  print(string.format("RATE %.2f P50 %.3f P99 %.3f FAILED %d", summary.requests / (summary.duration / 1e6),
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, failed))
end
