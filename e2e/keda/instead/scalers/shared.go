package scalers

// externalMetricType is declared beside a trigger that is left out.
const externalMetricType = "External"
