# Made before the functions are, so that no function makes one that keeps its logs for ever.
resource "aws_cloudwatch_log_group" "function" {
  #checkov:skip=CKV_AWS_158:logs hold no secrets (they are redacted) and AWS encrypts them with its own key
  #checkov:skip=CKV_AWS_338:var.log_days decides; what must last is in the tables, not in logs
  for_each = local.function_names

  name              = "/aws/lambda/${each.value}"
  retention_in_days = var.log_days
}
