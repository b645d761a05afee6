# An app that was never written for workload identity: curl, and azure-identity as it is.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
RUN apt-get update \
    && apt-get install --yes --no-install-recommends curl python3-pip \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
COPY images/locks/ /locks/
# The proxy's lock holds msal and what it needs; two more entries complete azure-identity.
RUN awk '/^[a-z]/ {wanted = /^(azure-core|azure-identity|msal-extensions)==/} wanted' /locks/dev.txt >/locks/app.txt \
    && python3 -m pip install --no-cache-dir --break-system-packages --require-hashes --only-binary :all: \
        --requirement /locks/proxy.txt --requirement /locks/app.txt
USER 1000:1000
