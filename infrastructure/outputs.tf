output "stage" {
  description = "The stage that this workspace is."
  value       = terraform_data.stage.output
}

output "tables" {
  description = "Names of the tables."
  value       = { for name, table in aws_dynamodb_table.table : name => table.name }
}

output "bucket" {
  description = "Name of the bucket; set TILTS_BUCKET to it if it is not tilts-<stage>-<account id>."
  value       = aws_s3_bucket.bucket.bucket
}

output "queues" {
  description = "Addresses of the queues."
  value       = { for name, queue in aws_sqs_queue.queue : name => queue.url }
}

output "dead_letters" {
  description = "Addresses of the queues that keep what failed five times."
  value       = { for name, queue in aws_sqs_queue.dead : name => queue.url }
}

output "alarm_topic" {
  description = "Where alarms are sent."
  value       = aws_sns_topic.alarms.arn
}

output "boundary" {
  description = "Permissions boundary of every function's role."
  value       = aws_iam_policy.boundary.arn
}

output "secrets" {
  description = "Parameters whose values are to be set by hand."
  value       = [for secret in aws_ssm_parameter.secret : secret.name]
}

output "dashboards" {
  description = "Where the dashboards are."
  value = [
    for name in ["operations", "games"] :
    "https://${var.region}.console.aws.amazon.com/cloudwatch/home?region=${var.region}#dashboards/dashboard/${local.prefix}-${name}"
  ]
}
