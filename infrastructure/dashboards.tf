locals {
  # What the dashboards' files may name: ${prefix}, ${stage}, ${region}, ${memory.<function>}.
  shown = {
    prefix = local.prefix
    stage  = local.stage
    region = var.region
    memory = local.memory
  }
}

resource "aws_cloudwatch_dashboard" "operations" {
  dashboard_name = "${local.prefix}-operations"
  dashboard_body = templatefile("${path.module}/dashboards/operations.json", local.shown)
}

resource "aws_cloudwatch_dashboard" "games" {
  dashboard_name = "${local.prefix}-games"
  dashboard_body = templatefile("${path.module}/dashboards/games.json", local.shown)
}
