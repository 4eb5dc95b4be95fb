-- For wrk: sends the method and the body that follow `--`, and tells in JSON what it found.

function init(arguments)
   wrk.method, wrk.body = arguments[1], arguments[2]
   if wrk.body == "" then
      wrk.body = nil
   elseif wrk.body:find("%%d") then
      local number, template = 0, wrk.body
      request = function()
         number = number + 1
         return wrk.format(nil, nil, nil, (template:gsub("%%d", number)))
      end
      wrk.request = request
   end
end

function done(summary, latency)
   local errors = summary.errors
   local faults = errors.connect + errors.read + errors.write + errors.status + errors.timeout
   io.write(string.format(
      '{"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "faults": %d}\n',
      summary.requests, summary.duration / 1e6,
      latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, faults
   ))
end
