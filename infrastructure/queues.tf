locals {
  # Who takes messages from each queue, and how long one may wait there. A message is
  # only a wake-up: the sweeper asks again for whatever one that is lost stood for.
  queues = {
    expand    = { function = "expand_evaluation", kept_seconds = 345600 }
    play      = { function = "play_episodes", kept_seconds = 345600 }
    broadcast = { function = "broadcast", kept_seconds = 3600 }
    webhook   = { function = "notify", kept_seconds = 345600 }
  }
}

resource "aws_sqs_queue" "queue" {
  for_each = local.queues

  name                      = "${local.prefix}-${each.key}"
  sqs_managed_sse_enabled   = true
  message_retention_seconds = each.value.kept_seconds

  # A tenth longer than the function may run: a second delivery is harmless, a long
  # wait for the message of a worker that died is not.
  visibility_timeout_seconds = ceil(local.timeouts[each.value.function] * 1.1)

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead[each.key].arn
    maxReceiveCount     = 5
  })
}

resource "aws_sqs_queue" "dead" {
  for_each = local.queues

  name                      = "${local.prefix}-${each.key}-dead"
  sqs_managed_sse_enabled   = true
  message_retention_seconds = 1209600
}

resource "aws_sqs_queue_redrive_allow_policy" "dead" {
  for_each = local.queues

  queue_url = aws_sqs_queue.dead[each.key].id

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.queue[each.key].arn]
  })
}

data "aws_iam_policy_document" "queue" {
  for_each = merge(
    { for name, queue in aws_sqs_queue.queue : name => queue.arn },
    { for name, queue in aws_sqs_queue.dead : "${name}-dead" => queue.arn },
  )

  statement {
    sid       = "OnlyOverTls"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [each.value]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_sqs_queue_policy" "queue" {
  for_each = merge(
    { for name, queue in aws_sqs_queue.queue : name => queue.id },
    { for name, queue in aws_sqs_queue.dead : "${name}-dead" => queue.id },
  )

  queue_url = each.value
  policy    = data.aws_iam_policy_document.queue[each.key].json
}
