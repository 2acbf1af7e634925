# A stage is a workspace of that name; what its functions get is in .chalice/config.json,
# what its tables are in chalicelib/aws/tables.json. Nothing of either is copied here.

locals {
  stage  = terraform.workspace
  prefix = "tilts-${local.stage}"
  config = jsondecode(file("${path.module}/../.chalice/config.json"))

  functions = toset([
    "api_handler",
    "broadcast",
    "expand_evaluation",
    "notify",
    "play_episodes",
    "sweep",
    "websocket_connect",
    "websocket_disconnect",
    "websocket_message",
  ])

  # Chalice names the function of the REST API after the app and the stage alone.
  function_names = {
    for function in local.functions :
    function => function == "api_handler" ? local.prefix : "${local.prefix}-${function}"
  }

  timeouts = {
    for function in local.functions : function => try(
      local.config.stages[local.stage].lambda_functions[function].lambda_timeout,
      local.config.stages[local.stage].lambda_timeout,
      local.config.lambda_timeout,
      60,
    )
  }

  memory = {
    for function in local.functions : function => try(
      local.config.stages[local.stage].lambda_functions[function].lambda_memory_size,
      local.config.stages[local.stage].lambda_memory_size,
      local.config.lambda_memory_size,
      128,
    )
  }
}

resource "terraform_data" "stage" {
  input = local.stage

  lifecycle {
    precondition {
      condition     = contains(keys(local.config.stages), local.stage)
      error_message = "There is no stage ${local.stage}: `terraform workspace select -or-create` one of ${join(", ", keys(local.config.stages))}."
    }
  }
}
