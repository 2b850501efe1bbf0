module drawbridge.internal/probe

go 1.26.0
