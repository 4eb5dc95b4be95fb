-- For wrk: tells in JSON what it found.
function done(summary, latency)
   local errors = summary.errors
   local faults = errors.connect + errors.read + errors.write + errors.status + errors.timeout
   io.write(string.format(
      '{"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "faults": %d}\n',
      summary.requests, summary.duration / 1e6,
      latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, faults
   ))
end
