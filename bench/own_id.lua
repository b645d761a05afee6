-- Each request with an ID of its own, as Azure's SDKs send it.
local number = 0

function request()
  number = number + 1
  return wrk.format("GET", nil, {
    ["Metadata"] = "true",
    ["x-ms-client-request-id"] = string.format("%08x-0000-4000-8000-000000000000", number),
  })
end
