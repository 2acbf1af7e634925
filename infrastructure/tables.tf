locals {
  tables = jsondecode(file("${path.module}/../chalicelib/aws/tables.json")).tables
}

resource "aws_dynamodb_table" "table" {
  #checkov:skip=CKV_AWS_119:AWS's own key encrypts the tables; a key of ours costs a request fee and one more way to lose them
  for_each = local.tables

  name                        = "${local.prefix}-${each.key}"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = each.value.keys[0].name
  range_key                   = try(each.value.keys[1].name, null)
  deletion_protection_enabled = var.deletion_protection

  dynamic "attribute" {
    for_each = {
      for key in concat(each.value.keys, flatten([for index in each.value.indexes : index.keys])) :
      key.name => key.type...
    }

    content {
      name = attribute.key
      type = attribute.value[0]
    }
  }

  dynamic "global_secondary_index" {
    for_each = { for index in each.value.indexes : index.name => index }

    content {
      name               = global_secondary_index.key
      hash_key           = global_secondary_index.value.keys[0].name
      range_key          = try(global_secondary_index.value.keys[1].name, null)
      projection_type    = global_secondary_index.value.projection
      non_key_attributes = try(global_secondary_index.value.attributes, null)
    }
  }

  dynamic "ttl" {
    for_each = each.value.ttl == null ? [] : [each.value.ttl]

    content {
      attribute_name = ttl.value
      enabled        = true
    }
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled = true
  }
}
