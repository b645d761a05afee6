-- Each request with one more header that nobody reads: another value each time, or the same.
-- Arguments: the header's name, and "new" or "same".
local number, name, changes = 0, "x-ms-client-request-id", true

function init(args)
  name = args[1] or name
  changes = args[2] ~= "same"
end

function request()
  number = number + 1
  return wrk.format("GET", nil, {
    ["Metadata"] = "true",
    [name] = string.format("%08x-0000-4000-8000-000000000000", changes and number or 0),
  })
end
