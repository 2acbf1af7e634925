# Alarms on what Tilts itself counts (chalicelib/aws/metrics.py). What each means and
# what to do is in docs/operations.md, "Alarms".

locals {
  own_metrics = "Tilts"
}

resource "aws_cloudwatch_metric_alarm" "no_sweep" {
  alarm_name          = "${local.prefix}-no-sweep"
  alarm_description   = "No sweep has come to its end for five minutes: docs/operations.md, Alarms, no-sweep"
  namespace           = local.own_metrics
  metric_name         = "DueEpisodes"
  dimensions          = { stage = local.stage }
  statistic           = "SampleCount"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "due_episodes" {
  alarm_name          = "${local.prefix}-due-episodes"
  alarm_description   = "Sweep after sweep finds many episodes that nobody holds: docs/operations.md, Alarms, due-episodes"
  namespace           = local.own_metrics
  metric_name         = "DueEpisodes"
  dimensions          = { stage = local.stage }
  statistic           = "Minimum"
  period              = 300
  evaluation_periods  = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.due_episodes
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "spending" {
  alarm_name          = "${local.prefix}-spending"
  alarm_description   = "Models cost more in an hour than they should: docs/operations.md, Alarms, spending"
  namespace           = local.own_metrics
  metric_name         = "Dollars"
  dimensions          = { stage = local.stage }
  statistic           = "Sum"
  period              = 3600
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.hourly_model_dollars
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "messages_refused" {
  alarm_name          = "${local.prefix}-messages-refused"
  alarm_description   = "Messages of a version that this code does not know: docs/operations.md, Alarms, messages-refused"
  namespace           = local.own_metrics
  metric_name         = "MessagesRefused"
  dimensions          = { stage = local.stage }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "failed_share" {
  alarm_name          = "${local.prefix}-failed-share"
  alarm_description   = "More than 2% of the episodes fail for reasons that are not the player's: docs/operations.md, Alarms, failed-share"
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 2
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]

  metric_query {
    id          = "share"
    expression  = "IF(failed >= 5, 100 * failed / (failed + FILL(finished, 0)), 0)"
    label       = "Failed episodes in percent, from five on"
    return_data = true
  }

  metric_query {
    id = "failed"

    metric {
      namespace   = local.own_metrics
      metric_name = "EpisodesFailed"
      dimensions  = { stage = local.stage }
      stat        = "Sum"
      period      = 3600
    }
  }

  metric_query {
    id = "finished"

    metric {
      namespace   = local.own_metrics
      metric_name = "EpisodesFinished"
      dimensions  = { stage = local.stage }
      stat        = "Sum"
      period      = 3600
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "failed_calls" {
  alarm_name          = "${local.prefix}-failed-calls"
  alarm_description   = "More than a fifth of the calls to models fail: docs/operations.md, Alarms, failed-calls"
  evaluation_periods  = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = 20
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]

  metric_query {
    id          = "share"
    expression  = "IF(failed >= 20, 100 * failed / calls, 0)"
    label       = "Failed calls in percent, from twenty on"
    return_data = true
  }

  metric_query {
    id = "failed"

    metric {
      namespace   = local.own_metrics
      metric_name = "ModelCallsFailed"
      dimensions  = { stage = local.stage }
      stat        = "Sum"
      period      = 300
    }
  }

  metric_query {
    id = "calls"

    metric {
      namespace   = local.own_metrics
      metric_name = "ModelCalls"
      dimensions  = { stage = local.stage }
      stat        = "Sum"
      period      = 300
    }
  }
}
