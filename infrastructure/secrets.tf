# The names of the secrets. Their values are given by hand (docs/operations.md, "Keys"):
# "unset" counts as none. It is written once and never read back: a value that is read
# stands in the state, and a parameter that is updated gets the value of this file again.
resource "aws_ssm_parameter" "secret" {
  #checkov:skip=CKV_AWS_337:the account's own key for parameters; who may read one is decided by the functions' policies
  for_each = {
    "openai-api-key"     = "Key of the provider openai"
    "anthropic-api-key"  = "Key of the provider anthropic"
    "compatible-api-key" = "Key of a server of one's own"
    "key-pepper"         = "Goes into the hashes of access keys; changing it ends them all"
  }

  name             = "/tilts/${local.stage}/${each.key}"
  description      = each.value
  type             = "SecureString"
  value_wo         = "unset"
  value_wo_version = 1

  lifecycle {
    ignore_changes = all
  }
}
